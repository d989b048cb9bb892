import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Recorder } from '../../checker/recorder.js'
import { Random } from '../../end-to-end/random.js'
import { Wanderer } from '../../followers/wanderer.js'
import { until } from '../../harness/until.js'

const HEAD = { 'content-type': 'application/x-ndjson' }
const TYPES = ['first', 'second', 'third']

t.test(
  'a slow reader records all of a response whose connection has closed by then, and its end',
  async t => {
    const lines = TYPES.map((type, n) => JSON.stringify({ id: `${n + 1}.aaaaaa`, type, data: {} }))

    const entries = await recordedBy(t, (_, response) => {
      response.writeHead(200, HEAD).write(`${lines[0]}\n`)
      setImmediate(() => response.end(`${lines.slice(1).join('\n')}\n`))
    })

    t.match(entries, [
      { k: 'open' },
      { k: 'status', status: 200 },
      ...TYPES.map(type => ({ k: 'frame', type })),
    ])
    t.match(entries.at(-1), { k: 'close', by: 'server' })
  },
)

t.test('a response that is cut before its end is recorded as broken', async t => {
  const entries = await recordedBy(t, (_, response) => {
    response.writeHead(200, HEAD).write('{"id":"1.aaaaaa","type":"first","data":{}}\n')
    response.socket?.end()
  })

  t.match(entries.at(-1), { k: 'close', by: 'broken' })
})

/** What a slow client has recorded of its first connection. */
async function recordedBy(t: Test, answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const path = join(t.testdir(), 'history.jsonl')
  const recorder = new Recorder({ path })
  const tally = { connections: 0, refusals: 0, deliveries: 0 }
  const client = new Wanderer({
    ...{ name: 'slow', recorder, workspace: 'acme', stream: 'orders', types: undefined, tally },
    ...{ origin: () => `http://127.0.0.1:${port}`, authorization: () => '', form: 'application/x-ndjson' },
    ...{ from: 'beginning', manner: 'slow', random: new Random(1) },
    ...{ stay: { least: 60_000, most: 60_000 }, away: { least: 0, most: 0 } },
  })
  t.teardown(() => {
    client.stop()
    server.close()
  })
  const over = client.follow()
  await until('the second connection', () => tally.connections > 1)
  client.stop()
  await over
  await recorder.close()
  const all = readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .slice(1)
    .map(line => JSON.parse(line))
  return all.slice(0, all.findIndex(({ k }) => k === 'close') + 1)
}
