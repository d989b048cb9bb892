import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { disconnectSignal } from '../../../src/http/client-disconnect.js'
import { connectRaw, get } from '../../harness/raw-client.js'

t.test('the signal aborts when the client disconnects, and not before', async t => {
  const { response, leave } = await startRequest(t)
  const disconnected = disconnectSignal(response)
  t.notOk(disconnected.aborted)

  await leave()

  t.ok(disconnected.aborted)
})

t.test('the signal of a client that has already disconnected is aborted', async t => {
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
