import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, constants, createServer as createHttp2Server, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { ClientPresence, disconnectSignal, wasSent, whenClosed } from '../../../src/http/client-disconnect.js'
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
  const { response, leave } = await startHttp2Request(t)
  const presence = new ClientPresence(response)
  t.notOk(presence.hasGone)

  await leave()

  t.ok(presence.hasGone)
  t.ok(presence.signal.aborted)
})

t.test('a client of HTTP/2 that has already disconnected has gone', async t => {
  const { response, leave } = await startHttp2Request(t)
  const unwatched = new ClientPresence(response)
  await leave()

  t.ok(disconnectSignal(response).aborted)
  t.ok(new ClientPresence(response).hasGone)
  t.ok(unwatched.signal.aborted)
})

for (const [protocol, start] of [
  ['HTTP/1.1', startRequest],
  ['HTTP/2', startHttp2Request],
] as const) {
  t.test(
    `what waits for the end of a response over ${protocol} happens once, before or after it`,
    async t => {
      const { response, leave } = await start(t)
      const happened: string[] = []
      whenClosed(response, () => happened.push('before'))
      t.strictSame(happened, [])

      await leave()
      whenClosed(response, () => happened.push('after'))

      t.strictSame(happened, ['before', 'after'])
    },
  )

  t.test(`a response over ${protocol} was sent if its client did not leave before the end`, async t => {
    const [left, stayed] = [await start(t), await start(t)]

    await left.leave()
    const closed = once(stayed.response, 'close')
    stayed.response.end('whole')
    await closed

    t.strictSame([wasSent(left.response), wasSent(stayed.response)], [false, true])
  })
}

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

/** A request whose client resets its stream, and keeps the connection. */
async function startHttp2Request(test: Test) {
  const server = createHttp2Server().listen(0, '127.0.0.1')
  test.teardown(() => server.close())
  await once(server, 'listening')
  const received = once(server, 'request')
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  test.teardown(() => client.destroy())
  const request = client
    .request({ ':path': '/' })
    .on('error', () => undefined)
    .resume()
  const [, response] = (await received) as [unknown, Http2ServerResponse]
  const leave = async () => {
    const closed = once(response, 'close')
    request.close(constants.NGHTTP2_CANCEL)
    await closed
  }
  return { response, leave }
}
