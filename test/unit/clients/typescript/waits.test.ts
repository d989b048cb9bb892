/** clients/typescript waits between two attempts: the application can end the wait as soon as it hears of it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { EventStream } from '../../../../clients/typescript/src/client.js'
import { within } from '../../../harness/patience.js'

t.test('onState can end the wait that it reports: by another attempt, or for good', async t => {
  let requests = 0
  const server = createServer((_, response) => {
    requests += 1
    response.writeHead(503).end()
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const stream = new EventStream(`http://127.0.0.1:${port}`, {
    retry: 60_000,
    max: 60_000,
    onState({ name }) {
      if (name !== 'waiting') return
      if (requests === 1) stream.reconnect()
      else stream.close()
    },
  })
  t.teardown(() => stream.close())

  const end = await within(10_000, stream.blocks().next(), () => `still waits after ${requests} requests`)

  t.strictSame(end, { done: true, value: undefined })
  t.equal(requests, 2)
})
