import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { disconnectSignal } from '../../../src/http/client-disconnect.js'
import { connectRaw, get } from '../../harness/raw-client.js'

t.test('a client that leaves is seen to, and one that is there is not', async t => {
  const { response, leave } = await startRequest(t)
  const disconnected = disconnectSignal(response)
  t.notOk(disconnected.aborted)

  await leave()

  t.ok(disconnected.aborted)
})

t.test('a client that has left before anybody asks is seen to as well', async t => {
  const { response, leave } = await startRequest(t)
  await leave()

  t.ok(disconnectSignal(response).aborted)
})

async function startRequest(test: Test) {
  const server = createServer().listen(0, '127.0.0.1')
  test.teardown(() => server.close())
  await once(server, 'listening')
  const received = once(server, 'request')
  const { socket } = await connectRaw(test, server, get('/'))
  const [, response] = (await received) as [unknown, ServerResponse]
  const leave = async () => {
    const closed = once(response, 'close')
    socket.destroy()
    await closed
  }
  return { response, leave }
}
