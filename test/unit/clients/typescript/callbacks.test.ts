/** A function of the application that throws ends the stream of clients/typescript with its error, and leaves no connection. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createClient, EventStream } from '../../../../clients/typescript/src/client.js'
import { within } from '../../../harness/patience.js'
import { until } from '../../../harness/until.js'

const PATIENCE_MS = 10_000
const BODY = ': hello\nid: 1\ndata: {}\n\n'
const error = new Error('The application has a fault.')

for (const name of ['connecting', 'open', 'closed']) {
  t.test(`onState throws when the feed is ${name}`, async t => {
    const { url, connections } = await serve(t)
    const feed = createClient({ url, retry: 1 }).feed({
      onState: state => {
        if (state.name === name) throw error
      },
    })
    const following = feed.each(() => feed.close())

    const ended = following.catch(caught => caught)
    t.equal(await within(PATIENCE_MS, ended, () => 'the iteration does not end'), error)
    await until('the connection is closed', async () => (await connections()) === 0)
    t.equal(feed.state.name, 'closed')
  })
}

t.test('onComment throws', async t => {
  const { url, connections } = await serve(t)
  const seen: string[] = []
  const stream = new EventStream(url, {
    retry: 1,
    onComment: () => {
      throw error
    },
  })
  const follow = async () => {
    for await (const { id } of stream) seen.push(id)
  }

  const ended = follow().catch(caught => caught)
  t.equal(await within(PATIENCE_MS, ended, () => 'the iteration does not end'), error)
  await until('the connection is closed', async () => (await connections()) === 0)
  t.strictSame(seen, [])
})

/** A stream of one event, which stays open. */
async function serve(t: Test) {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(BODY)
  })
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const connections = () =>
    new Promise<number>((resolve, reject) => {
      server.getConnections((failure, count) => (failure ? reject(failure) : resolve(count)))
    })
  return { url: `http://127.0.0.1:${port}`, connections }
}
