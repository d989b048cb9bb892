/**
 * Slow clients that keep their connections open. The test reads the configured deadlines and does not wait for them. It
 * checks that many slow clients cost the others nothing, and that a client that disconnects leaves nothing behind.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { portOf } from '../../harness/exchange.js'
import { as, startGateway } from '../../harness/gateway.js'
import { until } from '../../harness/until.js'

const MINUTE_MS = 60_000
const gateway = await startGateway(t)
const authorization = `Authorization: ${as('editor').authorization}`

t.test('a request has a deadline for its head and one for the whole request', async t => {
  const { headersTimeout, requestTimeout, keepAliveTimeout } = gateway.app.server

  for (const [name, ms] of Object.entries({ headersTimeout, requestTimeout })) {
    t.ok(ms > 0 && ms <= MINUTE_MS, `${name}: ${ms}`)
  }
  t.ok(headersTimeout <= requestTimeout, 'the head is a part of the request')
  t.ok(keepAliveTimeout > 0 && keepAliveTimeout <= 2 * MINUTE_MS, `keepAliveTimeout: ${keepAliveTimeout}`)
})

// Attack: 300 connections send a byte of their head now and then, or a body that never gets there (slowloris).
t.test('hundreds of slow requests do not hold up a quick one', async t => {
  const beginnings = [
    'GET /api/items HT',
    'GET /api/items HTTP/1.1\r\nHost: x\r\nX-A',
    `POST /api/events HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"type":`,
    `POST /api/events HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"t`,
    '\r\n',
    '',
  ]
  const sockets = await Promise.all(Array.from({ length: 300 }, () => open(t)))
  for (const [at, socket] of sockets.entries()) socket.write(beginnings[at % beginnings.length] ?? '')

  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const response = await fetch(`${gateway.url}/api/items`, { headers: as('viewer') })
      await response.text()
      return response.status
    }),
  )

  t.same(new Set(answers), new Set([200]))
})

// Attack: thousands of requests behind a stream that never ends, whose answers would all have to be kept.
t.test('the gateway reads little of the requests that follow an open stream', async t => {
  let taken = 0
  const count = () => {
    taken += 1
  }
  gateway.app.server.on('request', count)
  t.teardown(() => gateway.app.server.off('request', count))
  const socket = await open(t)
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })

  socket.write(`GET /api/events HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`)
  await until('the stream', () => text.includes('server.state'))
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20_000))
  await until('the rest to be left', () => socket.bytesWritten > 500_000)
  await (await fetch(`${gateway.url}/health`)).text()

  // One or two chunks of the socket, not all.
  t.ok(taken < 10_000, `${taken} requests taken`)
  t.notMatch(text, '"status":"ok"', 'and nothing is written into the stream')
})

// Attack: half of the connection is closed, so that the other half and its stream stay for ever.
t.test('a client that closes its sending side has closed the stream', async t => {
  const before = streams()
  const sockets = await Promise.all(Array.from({ length: 50 }, () => open(t)))
  for (const socket of sockets) {
    socket.write(`GET /api/events HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`)
  }
  await until('50 streams', () => streams() === before + 50)

  for (const socket of sockets) socket.end()

  await until('no stream', () => streams() === before)
})

// Attack: a long poll or a claim is asked for and left, again and again, and each goes on waiting for its time.
t.test('a long poll ends when its client disconnects', async t => {
  const sockets = await Promise.all(Array.from({ length: 50 }, () => open(t)))
  for (const socket of sockets) {
    socket.write(
      `GET /api/events?wait=60s HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n${authorization}\r\n\r\n`,
    )
  }
  await until('50 long polls', () => gateway.app.guard.watched >= 50)

  for (const socket of sockets) socket.destroy()

  await until('no long poll', () => gateway.app.guard.watched === 0)
})

function streams(): number {
  return gateway.app.hub.clients().total
}

async function open(t: Test): Promise<Socket> {
  const socket = connect({ port: Number(portOf(gateway.url)), host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}
