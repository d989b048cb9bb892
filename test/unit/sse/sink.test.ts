import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { mock } from 'node:test'
import Fastify from 'fastify'
import t from 'tap'
import type { Ends } from '../../../src/network/send-queues.js'
import { Payload } from '../../../src/sse/payload.js'
import { HIGH_WATER_BYTES, Sink, STALLED_MS } from '../../../src/sse/sink.js'
import { movableClock } from '../../harness/clock.js'
import { connectRaw, get } from '../../harness/raw-client.js'
import { serveSinks, serveSinksOverHttp2 } from '../../harness/sinks.js'
import { until } from '../../harness/until.js'

const hello = Payload.text('data: hello\n\n')
const large = Payload.text(`data: ${'x'.repeat(50_000)}\n\n`)
/** More than any kernel buffers for a loopback connection. */
const MANY = 2_000

t.test('the bytes on an HTTP/1.1 socket are exact chunked coding', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()

  sink.write(hello)
  sink.write(Payload.of([Buffer.from('data: '), Buffer.from('ü\n\n')]))
  sink.end()

  const bytes = 'd\r\ndata: hello\n\n\r\na\r\ndata: Ã¼\n\n\r\n0\r\n\r\n'
  t.equal(await client.untilBody('0\r\n\r\n'), bytes)
  t.match(client.text(), /^HTTP\/1\.1 200 OK\r\n/)
  t.match(client.text().toLowerCase(), 'transfer-encoding: chunked')
})

t.test('the end of a payload is a chunk of its own, and all of it counts as written', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()

  sink.write(Payload.of([Buffer.from('data: 1\n\n'), Buffer.from('data: 2\n\n')]).ending(9, 1))
  sink.end()

  t.equal(await client.untilBody('0\r\n\r\n'), '9\r\ndata: 2\n\n\r\n0\r\n\r\n')
  t.equal(sink.written, '9\r\ndata: 2\n\n\r\n'.length)
})

t.test('an HTTP/1.0 client gets the bytes without chunks, and the end of the connection', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/', '1.0'))
  const sink = await next()

  sink.write(hello)
  sink.end()

  t.equal(await client.over, 'ended')
  t.equal(client.body(), 'data: hello\n\n')
  t.notMatch(client.text().toLowerCase(), 'transfer-encoding')
})

t.test('pipelined requests are answered one after the other', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/short') + get('/') + get('/'))
  const first = await next()
  const second = await next()

  second.write(Payload.text('data: second\n\n'))
  first.write(Payload.text('data: first\n\n'))
  await client.untilBody('first')
  t.notMatch(client.text(), 'second')
  first.end()

  await client.untilBody('second')
  second.write(Payload.text('data: third\n\n'))
  second.end()
  await client.untilBody(body => body.endsWith('third\n\n\r\n0\r\n\r\n'))
  t.match(client.text(), /^HTTP.*short.*HTTP.*first.*\r\n0\r\n\r\nHTTP.*second.*third/s)
})

t.test('the connection serves the next request after the end of a stream', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  sink.write(hello)
  sink.end()
  await client.untilBody('0\r\n\r\n')

  client.socket.write(get('/short').replaceAll('\n', '\r\n'))

  await client.untilBody(body => body.endsWith('short'))
})

t.test('HTTP/2 streams get the bytes unchanged', async t => {
  const { server, next } = await serveSinksOverHttp2(t)
  const session = await connectHttp2(server.address())
  const request = session.request({ ':path': '/' })
  request.setEncoding('utf8')
  const sink = await next()

  sink.write(hello)
  const [first] = await once(request, 'data')
  sink.write(Payload.text('data: bye\n\n'))
  sink.end()

  t.equal(first, 'data: hello\n\n')
  t.equal((await once(request, 'data'))[0], 'data: bye\n\n')
  await once(request, 'end')
  await close(session)
})

t.test(
  'an HTTP/2 client that stops reading fills the sink, which drains when the client reads on',
  async t => {
    const { server, next } = await serveSinksOverHttp2(t)
    const session = await connectHttp2(server.address())
    const request = session.request({ ':path': '/' })
    const sink = await next()
    const written = fill(sink)
    t.ok(sink.pending < HIGH_WATER_BYTES + large.chunk.length)

    let read = 0
    request.on('data', (chunk: Buffer) => {
      read += chunk.length
    })
    await sink.drained()

    t.notOk(sink.full)
    await until('all has arrived', () => read === written * large.bytes.length)
    await close(session)
  },
)

t.test('an HTTP/2 client disconnect closes the sink', async t => {
  const { server, next } = await serveSinksOverHttp2(t)
  const session = await connectHttp2(server.address())
  const request = session.request({ ':path': '/' })
  request.on('error', () => {})
  const sink = await next()
  fill(sink)
  const drained = sink.drained()

  request.close(8)

  await drained
  t.notOk(sink.open)
  await close(session)
})

t.test('an injected request is answered with the bytes', async t => {
  const app = Fastify()
  app.get('/', (_, reply) => {
    reply.hijack()
    reply.raw.writeHead(200)
    reply.raw.flushHeaders()
    const sink = new Sink(reply.raw)
    sink.write(hello)
    sink.end()
  })

  const whole = await app.inject('/')
  const streamed = await app.inject({ url: '/', payloadAsStream: true })

  t.equal(whole.body, 'data: hello\n\n')
  t.equal((await streamed.stream().toArray()).join(''), 'data: hello\n\n')
})

t.test('a client that does not read fills the sink, and drained() waits until it reads', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  const written = await fillUp(sink)
  let drained = false
  const waiting = Promise.all([sink.drained(), sink.drained()]).then(() => {
    drained = true
  })
  await turns(5)
  t.notOk(drained)

  client.socket.resume()
  await waiting

  t.ok(sink.open)
  t.notOk(sink.full)
  sink.end()
  const body = await client.untilBody(body => body.endsWith('0\r\n\r\n'))
  t.equal(body.length, written * large.chunk.length + '0\r\n\r\n'.length)
})

t.test('a sink that has room is drained at once', async t => {
  const { server, next } = await serveSinks(t)
  await connectRaw(t, server, get('/'))
  const sink = await next()

  sink.write(hello)

  await sink.drained()
  t.ok(sink.open)
})

t.test('several writers may wait for one sink', async t => {
  const warnings: string[] = []
  const warned = ({ name }: Error) => warnings.push(name)
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  await fillUp(sink)

  const waiting = Array.from({ length: 100 }, () => sink.drained())
  client.socket.destroy()

  await Promise.all(waiting)
  await turns(5)
  t.strictSame(warnings, [])
})

t.test('a client that disconnects ends the wait for its sink', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  await fillUp(sink)
  const drained = sink.drained()

  client.socket.destroy()

  await drained
  t.notOk(sink.open)
})

// A writer checks `full`, waits for `drained()` and checks again: if drained() resolved at once, it would spin forever.
t.test('a broken connection is not drained before it is closed', async t => {
  const { server, next } = await serveSinks(t)
  const broken = once(server, 'connection').then(
    ([socket]) =>
      () =>
        socket.destroy(),
  )
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  await fillUp(sink)

  ;(await broken)()
  t.ok(sink.open && sink.full)
  await sink.drained()

  t.notOk(sink.open)
})

t.test('a client that has closed its sending side and reads nothing is not drained either', async t => {
  const { server, next } = await serveSinks(t)
  const ended = once(server, 'connection').then(([socket]) => socket)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  await fillUp(sink)

  client.socket.end()
  await until('the server has seen the FIN', async () => (await ended).writableEnded)
  t.ok(sink.open && sink.full)
  let drained = false
  const waiting = sink.drained().then(() => {
    drained = true
  })
  await turns(5)
  t.notOk(drained)

  client.socket.destroy()
  await waiting
  t.notOk(sink.open)
})

t.test(
  'a writer that stops when the sink is full leaves at most the high-water mark and one payload waiting',
  async t => {
    const { server, next } = await serveSinks(t)
    const client = await connectRaw(t, server, get('/'))
    const sink = await next()
    client.socket.pause()
    let most = 0

    for (let written = 0; written < MANY && !sink.full; written += 1) {
      sink.write(large)
      most = Math.max(most, sink.pending)
      await turns(1)
    }

    t.ok(sink.full)
    t.ok(most >= HIGH_WATER_BYTES)
    t.ok(most < HIGH_WATER_BYTES + large.chunk.length)
  },
)

t.test('after the end nothing is written, and ending twice is fine', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  let told = 0
  sink.onClosed(() => {
    told += 1
  })

  sink.write(hello)
  sink.end()
  sink.end()
  sink.write(hello)

  t.equal(await client.untilBody('0\r\n\r\n'), 'd\r\ndata: hello\n\n\r\n0\r\n\r\n')
  t.notOk(sink.open)
  t.equal(told, 1)
  sink.onClosed(() => {
    told += 1
  })
  t.equal(told, 2, 'a callback that is added later runs at once')
})

t.test('writing and ending after the client has disconnected do nothing', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.destroy()
  await new Promise<void>(resolve => sink.onClosed(resolve))

  sink.write(large)
  sink.end()
  sink.destroy()

  t.equal(sink.pending, 0)
})

t.test('a sink on a response whose client has gone is closed from the start', async t => {
  const { server } = await serveSinks(t)
  server.removeAllListeners('request')
  const request = once(server, 'request')
  const client = await connectRaw(t, server, get('/'))
  const [, response] = await request
  client.socket.destroy()
  await once(response, 'close')

  response.writeHead(200)
  response.flushHeaders()
  const sink = new Sink(response)

  t.notOk(sink.open)
})

t.test('bytes that wait at the end are still delivered to a client that reads them', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  const written = await fillUp(sink)

  sink.end()
  client.socket.resume()

  const body = await client.untilBody(body => body.endsWith('\r\n0\r\n\r\n'))
  t.equal(body.length, written * large.chunk.length + '0\r\n\r\n'.length)
})

t.test('a client that does not even read the end is cut off after a while', async t => {
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  await fillUp(sink)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())

  sink.end()
  mock.timers.tick(4_999)
  t.ok(sink.pending > 0, 'its connection is there')
  mock.timers.tick(1)
  client.socket.resume()

  await client.over
  t.notMatch(client.body().slice(-10), '\r\n0\r\n', 'the client can tell that the response is cut')
})

t.test('stalledFor returns how long bytes have been waiting without any progress', async t => {
  const clock = movableClock(t)
  const { server, next } = await serveSinks(t)
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  const stalled = () => Math.floor(sink.stalledFor(Date.now()) / 1_000)

  clock.forward(60_000)
  t.equal(stalled(), 0, 'nothing is waiting')
  client.socket.pause()
  await fillUp(sink)
  t.equal(stalled(), 0)
  clock.forward(20_000)
  t.equal(stalled(), 20)
  sink.write(hello)
  clock.forward(20_000)
  t.equal(stalled(), 40, 'writing is no progress')
  client.socket.resume()
  await sink.drained()
  t.equal(stalled(), 0)
})

t.test('bytes that begin to wait after hours without any do not count as late at once', t => {
  const clock = movableClock(t)
  let takes = true
  const stream = new Writable({
    write(_chunk, _encoding, done) {
      if (takes) done()
    },
  })
  const sink = new Sink({ stream, writableEnded: false, on() {} } as never)
  const stalled = () => Math.floor(sink.stalledFor(Date.now()) / 1_000)
  sink.write(hello)
  for (let hours = 0; hours < 3; hours += 1) {
    t.equal(stalled(), 0)
    clock.forward(3_600_000)
  }
  takes = false
  sink.write(hello)
  t.equal(stalled(), 0)
  clock.forward(20_000)
  t.equal(stalled(), 20)
  t.end()
})

t.test('a client whose kernel holds less than before has read, although its socket took nothing', async t => {
  const clock = movableClock(t)
  const asked: string[] = []
  let held: number | undefined = 4_000_000
  const bytesOf = async ({ remotePort }: Ends) => {
    asked.push(`${remotePort}`)
    return held
  }
  const { server, next } = await serveSinks(t, { bytesOf })
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  await fillUp(sink)
  const after = async (seconds: number) => {
    clock.forward(seconds * 1_000)
    const stalledMs = sink.stalledFor(Date.now())
    await turns(1)
    return Math.floor(stalledMs / 1_000)
  }

  t.strictSame([await after(0), await after(4), asked.length], [0, 4, 0], 'most need no look')
  t.strictSame([await after(2), await after(18), asked.length], [6, 24, 1])
  held -= 1
  t.strictSame([await after(2), asked.length], [26, 2])
  t.equal(await after(5), 0, 'it has read')
  t.strictSame([await after(24), asked.length], [24, 2], 'the last look is the first one of the next time')
  t.strictSame([await after(2), await after(4), await after(1), asked.length], [26, 30, 31, 3], 'it has not')
  t.strictSame(new Set(asked), new Set([`${client.socket.localPort}`]))
  client.socket.resume()
  await sink.drained()
  t.equal(await after(0), 0)

  client.socket.pause()
  await fillUp(sink)
  await after(0)
  held = undefined
  t.strictSame(
    [await after(6), await after(20), await after(5), asked.length],
    [6, 26, 31, 4],
    'nobody knows',
  )
})

t.test('while the answer is awaited a client does not count as stalled, but not for ever', async t => {
  const clock = movableClock(t)
  const { server, next } = await serveSinks(t, { bytesOf: () => new Promise(() => {}) })
  const client = await connectRaw(t, server, get('/'))
  const sink = await next()
  client.socket.pause()
  await fillUp(sink)
  const stalled = () => sink.stalledFor(Date.now())
  stalled()

  clock.forward(29_000)
  t.ok(stalled() < STALLED_MS)
  clock.forward(60_000)
  t.equal(stalled(), STALLED_MS)
  clock.forward(60_000)
  t.ok(stalled() > STALLED_MS)
})

/** Writes until the sink is full, and returns how often. */
function fill(sink: Sink): number {
  let written = 0
  for (; written < MANY && !sink.full; written += 1) sink.write(large)
  return written
}

/** The same until the kernel takes no more. */
async function fillUp(sink: Sink): Promise<number> {
  let written = 0
  for (let idle = 0; idle < 10; idle += 1) {
    const more = fill(sink)
    if (more > 0) idle = 0
    written += more
    await turns(2)
  }
  return written
}

/** Turns of the event loop in which sockets are read and written. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(resolve => setImmediate(resolve))
}

async function connectHttp2(address: AddressInfo | string | null): Promise<ClientHttp2Session> {
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port.')
  const session = connect(`http://127.0.0.1:${address.port}`)
  await once(session, 'connect')
  return session
}

async function close(session: ClientHttp2Session): Promise<void> {
  session.destroy()
  await once(session, 'close')
}
