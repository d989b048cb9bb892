import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import t, { type Test } from 'tap'
import { ClientPresence, disconnectSignal } from '../../../src/http/client-disconnect.js'
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

t.test('a client has gone once it has disconnected, and its signal is made only when asked for', async t => {
  const { response, leave } = await startRequest(t)
  const listeners = response.listenerCount('close')
  const [watched, unwatched] = [new ClientPresence(response), new ClientPresence(response)]
  t.equal(response.listenerCount('close'), listeners, 'nothing listens')
  t.notOk(watched.signal.aborted)
  t.strictSame([watched.hasGone, unwatched.hasGone], [false, false])

  await leave()

  t.strictSame([watched.hasGone, unwatched.hasGone], [true, true])
  t.ok(watched.signal.aborted)
  t.ok(unwatched.signal.aborted, 'also if it is asked for afterwards')
  t.equal(watched.signal, watched.signal)
})

t.test('the same over HTTP/2', async t => {
  const server = createHttp2Server().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const received = once(server, 'request')
  const address = server.address()
  const client = connect(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
  t.teardown(() => client.destroy())
  client.request({ ':path': '/' }).on('error', () => undefined)
  const [, response] = (await received) as [unknown, ServerResponse]
  const presence = new ClientPresence(response)
  t.notOk(presence.hasGone)

  const closed = once(response, 'close')
  client.destroy()
  await closed

  t.ok(presence.hasGone)
  t.ok(presence.signal.aborted)
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
