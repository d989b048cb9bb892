import { on, once } from 'node:events'
import { connect } from 'node:http2'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import cors from '@fastify/cors'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import sse from '../../../plugins/sse.js'
import type { SseMessage } from '../../../src/sse/frame.js'
import type { MessageStream, MessageStreamOptions } from '../../../src/sse/message-stream.js'
import { HIGH_WATER_BYTES } from '../../../src/sse/sink.js'
import { movableClock } from '../../harness/clock.js'
import { openStream } from '../../harness/event-stream.js'
import { connectRaw, get } from '../../harness/raw-client.js'
import { until } from '../../harness/until.js'

const LARGE = 'x'.repeat(50_000)

t.test('a route can send any messages for any time', async t => {
  const { url, next } = await host(t)
  const client = await openStream(t, url)
  const stream = await next()

  await stream.send({ event: 'tick', id: '1', data: 'one' })
  await stream.send({ data: 'two\nlines' })
  stream.end()

  t.ok(await client.ended())
  t.strictSame(client.messages, [
    { id: '1', event: 'tick', data: 'one' },
    { id: undefined, event: undefined, data: 'two\nlines' },
  ])
  t.match(client.response.headers, {
    'content-type': 'text/event-stream',
    'cache-control': 'private, no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
})

t.test('the stream is open before the first message', async t => {
  const { url, next } = await host(t, { retryMs: 700 })
  const client = await openStream(t, url)
  await until('the first bytes', () => client.text() === ': \n')

  const stream = await next()
  await stream.send({ comment: 'soon' })
  await stream.send({ data: 'one' })
  await stream.send({ data: 'two' })

  // A block of `retry:` alone would reach the application in several clients.
  await client.until(2)
  t.equal(client.text(), ': \n: soon\nretry: 700\ndata: one\n\ndata: two\n\n')
})

t.test('a client keeps its event id until a message has another one', async t => {
  const { url, next } = await host(t, { heartbeatMs: 50 })
  const client = await openStream(t, url, { headers: { 'last-event-id': '7' } })
  await next()

  await until('some heartbeats', () => client.text().split(': \n').length > 3)

  // An empty line would end a block, and with it the id: that of the client begins empty on each response.
  t.notMatch(client.text(), /\n\n/)
})

t.test('the head and the first message of a stream are one write', async t => {
  const { app, url } = await host(t, { retryMs: 700 })
  const written = writesOf(app)

  const client = await openStream(t, url)
  await until('the first bytes', () => client.text() !== '')

  t.strictSame(written, [2])
})

t.test('without a first message the head is sent at once', async t => {
  const app = Fastify()
  await app.register(sse)
  app.get('/', (_, reply) => {
    reply.openSink('text/event-stream')
  })

  const client = await openStream(t, await listen(t, app))

  t.equal(client.response.statusCode, 200)
  t.equal(client.text(), '')
})

t.test('pipelined streams open one after the other', async t => {
  const { app, next } = await host(t, { retryMs: 700 })
  const client = await connectRaw(t, app.server, get('/') + get('/'))

  const first = await next()
  await client.untilBody(': \n')
  await first.send({ data: 'first' })
  first.end()
  const second = await next()
  await second.send({ data: 'second' })
  second.end()

  const heads = () => client.text().match(/HTTP\/1\.1 200 OK/g)?.length
  await client.untilBody(body => /700.*first.*\r\n0\r\n\r\nHTTP.*700.*second.*\r\n0\r\n\r\n$/s.test(body))
  t.equal(heads(), 2)
})

t.test('an HTTP/1.0 client gets head and message too', async t => {
  const { app, next } = await host(t, { retryMs: 700 })
  const client = await connectRaw(t, app.server, get('/', '1.0'))

  await client.untilBody(': \n')
  const stream = await next()
  await stream.send({ data: 'one' })
  stream.end()

  t.equal(await client.over, 'ended')
  t.equal(client.body(), ': \nretry: 700\ndata: one\n\n')
})

t.test('a connection that breaks while its stream opens is a client disconnect', async t => {
  const app = Fastify()
  await app.register(sse)
  const left: string[] = []
  app.get('/', (request, reply) => {
    const stream = reply.sse({ retryMs: 700 })
    request.raw.socket.destroy()
    void stream.closed.then(() => left.push('left'))
    return stream.send({ data: 'one' })
  })
  await listen(t, app)

  const client = await connectRaw(t, app.server, get('/'))

  t.ok(await client.over)
  await until('the route knows', () => left.length === 1)
})

t.test('every message of a source is sent, then the stream ends', async t => {
  const url = await sourced(t, async function* () {
    for (const data of ['one', 'two', 'three']) yield { data }
  })

  const client = await openStream(t, url)

  t.ok(await client.ended())
  t.strictSame(
    client.messages.map(({ data }) => data),
    ['one', 'two', 'three'],
  )
})

t.test('an illegal name rejects the send, and nothing of the message is sent', async t => {
  const { url, next } = await host(t)
  const client = await openStream(t, url)
  const stream = await next()

  await t.rejects(stream.send({ event: 'a\ndata: forged', data: '' }), { name: 'RangeError' })
  await stream.send({ data: 'fine' })

  t.match(await client.until(1), [{ data: 'fine' }])
})

t.test('a source is read no faster than its client reads', async t => {
  let made = 0
  const url = await sourced(t, async function* () {
    for (;;) {
      made += 1
      yield { data: LARGE }
    }
  })
  const client = await connectRaw(t, portOf(url), get('/'))
  client.socket.pause()

  await until('the source pauses', () => isSteady(() => made))
  const before = made
  client.socket.resume()
  await until('the source goes on', () => made > before + 10)

  client.socket.destroy()
})

t.test('a client disconnect stops a source between two messages', async t => {
  let stopped = false
  const url = await sourced(t, async function* () {
    try {
      for (;;) {
        yield { data: 'tick' }
        await pause(1)
      }
    } finally {
      stopped = true
    }
  })
  const client = await openStream(t, url)
  await client.until(2)

  client.close()

  await until('the source is stopped', () => stopped)
})

t.test('a client disconnect stops a source while the sink is full', async t => {
  let stopped = false
  let made = 0
  const url = await sourced(t, async function* () {
    try {
      for (;;) {
        made += 1
        yield { data: LARGE }
      }
    } finally {
      stopped = true
    }
  })
  const client = await connectRaw(t, portOf(url), get('/'))
  client.socket.pause()
  await until('the source pauses', () => isSteady(() => made))

  client.socket.destroy()

  await until('the source is stopped', () => stopped)
})

t.test('a client disconnect aborts the signal of a waiting source', async t => {
  let stopped = false
  const url = await sourced(t, async function* ({ signal }) {
    try {
      yield { data: 'first' }
      for await (const _ of on(new EventTarget() as never, 'never', { signal })) yield { data: 'never' }
    } finally {
      stopped = true
    }
  })
  const client = await openStream(t, url)
  await client.until(1)

  client.close()

  await until('the source is stopped', () => stopped)
})

t.test('a source that ignores the signal does not delay the end', async t => {
  const { url, next } = await host(t)
  let release = () => {}
  let stopped = false
  async function* waiting() {
    try {
      await new Promise<void>(resolve => {
        release = resolve
      })
      yield { data: 'late' }
    } finally {
      stopped = true
    }
  }
  const client = await openStream(t, url)
  const sent = (await next()).sendAll(waiting())

  client.close()
  await sent
  t.notOk(stopped, 'nobody can interrupt it')
  release()

  await until('the source is stopped', () => stopped)
})

t.test('a source that is no generator may lack `return`, or have one that throws', async t => {
  const { url, next } = await host(t)
  const values = [
    { done: false, value: { data: 'one' } },
    { done: true, value: undefined },
  ] as const
  const source = (more: object) => {
    let at = 0
    const iterator = { next: async () => values[at++] ?? values[1], ...more }
    return { [Symbol.asyncIterator]: () => iterator } as AsyncIterable<SseMessage>
  }
  const careless = () => {
    throw new Error('careless')
  }

  for (const more of [{}, { return: () => undefined }, { return: careless }]) {
    const client = await openStream(t, url)
    await (await next()).sendAll(source(more))
    t.ok(await client.ended())
    t.match(client.messages, [{ data: 'one' }])
  }
})

t.test('the error of a source ends the stream and is logged', async t => {
  const lines: string[] = []
  const url = await sourced(
    t,
    async function* () {
      yield { data: 'one' }
      throw new Error('the source is dry')
    },
    line => lines.push(line),
  )

  const client = await openStream(t, url)

  t.ok(await client.ended(), 'cleanly, so that the client comes back')
  t.match(client.messages, [{ data: 'one' }])
  await until('the log', () => lines.some(line => line.includes('the source is dry')))
})

t.test('messages can be collected after they were sent', async t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const { url, next } = await host(t)
  const kept: WeakRef<SseMessage>[] = []
  let proceed = () => {}
  async function* source() {
    for (let n = 0; n < 200; n += 1) {
      const message = { data: String(n) }
      kept.push(new WeakRef(message))
      yield message
    }
    await new Promise<void>(resolve => {
      proceed = resolve
    })
  }
  const client = await openStream(t, url)
  const sent = (await next()).sendAll(source())
  await client.until(200)

  await new Promise(resolve => setImmediate(resolve))
  collect()

  const alive = kept.filter(message => message.deref() !== undefined).length
  t.ok(alive < 10, `${alive} of 200 are kept`)
  proceed()
  await sent
})

t.test('heartbeats are comments, which a client does not see', async t => {
  const { url } = await host(t, { heartbeatMs: 5 })

  const client = await openStream(t, url)

  await until('some heartbeats', () => client.text().split(': \n').length > 3)
  t.strictSame(client.messages, [])
})

t.test('heartbeats do not pile up before a client that does not read', async t => {
  const { app, url, next } = await host(t, { heartbeatMs: 1 })
  const connection = once(app.server, 'connection')
  const client = await connectRaw(t, portOf(url), get('/'))
  client.socket.pause()
  const stream = await next()
  const [socket] = await connection
  while (socket.writableLength < HIGH_WATER_BYTES) {
    void stream.send({ data: LARGE })
    await new Promise(resolve => setImmediate(resolve))
  }
  await until('the kernel takes no more', () => isSteady(() => socket.writableLength))

  const pending = socket.writableLength
  let beats = 0
  const beating = setInterval(() => {
    beats += 1
  }, 1)
  await until('some heartbeats were due', () => beats > 10)
  clearInterval(beating)

  t.equal(socket.writableLength, pending)
})

t.test('a client that has read nothing for half a minute is disconnected', async t => {
  const clock = movableClock(t)
  const { app, url, next } = await host(t, { heartbeatMs: 5 })
  const connection = once(app.server, 'connection')
  const client = await connectRaw(t, portOf(url), get('/'))
  client.socket.pause()
  const stream = await next()
  const [socket] = await connection
  while (socket.writableLength < HIGH_WATER_BYTES) {
    void stream.send({ data: LARGE })
    await new Promise(resolve => setImmediate(resolve))
  }
  await until('the kernel takes no more', () => isSteady(() => socket.writableLength))

  await until('it is let go', () => {
    clock.forward(10_000)
    return socket.destroyed
  })

  await stream.closed
})

t.test('a closing app ends its streams cleanly', async t => {
  const { app, url, next } = await host(t)
  const clients = [await openStream(t, url), await openStream(t, url)]
  const streams = [await next(), await next()]
  void streams[0]?.send({ data: 'bye' })

  await app.close()

  for (const client of clients) t.ok(await client.ended(), 'the response is complete')
  t.match(clients[0]?.messages, [{ data: 'bye' }])
})

t.test('a stream that opens while the app is closing ends at once', async t => {
  const app = Fastify()
  let proceed = () => {}
  const asked = new Promise<void>(resolve => {
    app.get('/', async (_, reply) => {
      resolve()
      await new Promise<void>(go => {
        proceed = go
      })
      reply.sse()
    })
  })
  await app.register(sse)
  app.addHook('preClose', async () => {
    setImmediate(() => proceed())
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const client = openStream(t, url)
  await asked

  await app.close()

  t.ok(await (await client).ended())
})

t.test('HEAD gets the head of the stream and ends, and does not read the source', async t => {
  let asked = false
  const url = await sourced(t, async function* () {
    asked = true
    yield { data: 'one' }
  })

  const response = await fetch(url, { method: 'HEAD' })

  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  t.equal(await response.text(), '')
  t.notOk(asked)
})

t.test('the status and headers of the handler, hooks and plugins arrive', async t => {
  const app = Fastify()
  await app.register(cors, { origin: 'https://app.example', credentials: true })
  await app.register(sse)
  app.addHook('onRequest', async (_, reply) => void reply.header('x-request-id', '7'))
  app.get('/', (_, reply) => {
    reply.code(203).header('set-cookie', ['a=1', 'b=2']).sse().end()
  })
  const url = await listen(t, app)

  const client = await openStream(t, url, { headers: { origin: 'https://app.example' } })

  t.equal(client.response.statusCode, 203)
  t.match(client.response.headers, {
    'access-control-allow-origin': 'https://app.example',
    'x-request-id': '7',
    'set-cookie': ['a=1', 'b=2'],
  })
  t.ok(await client.ended())
})

t.test('an invalid header is an error of the route, and the request still gets an answer', async t => {
  const app = Fastify()
  await app.register(sse)
  app.get('/', (_, reply) => reply.header('x-forged', 'a\r\nb: c').sse().end())
  app.setErrorHandler((error, _, reply) => reply.removeHeader('x-forged').code(500).send(error))

  const response = await app.inject('/')

  t.equal(response.statusCode, 500)
  t.match(response.json(), { code: 'ERR_INVALID_CHAR' })
})

t.test('an injected request gets the stream', async t => {
  const app = Fastify()
  await app.register(sse)
  app.get('/', async (_, reply) => {
    const stream = reply.sse()
    await stream.send({ data: 'one' })
    stream.end()
  })

  t.equal((await app.inject('/')).body, ': \ndata: one\n\n')
  const streamed = await app.inject({ url: '/', payloadAsStream: true })
  t.equal((await streamed.stream().toArray()).join(''), ': \ndata: one\n\n')
})

t.test('streams work the same over HTTP/2', async t => {
  const app = Fastify({ http2: true })
  await app.register(sse)
  const left: string[] = []
  app.get('/', async (_, reply) => {
    const stream = reply.sse({ retryMs: 5 })
    await stream.send({ data: 'one' })
    await stream.closed
    left.push('left')
  })
  app.get('/short', async (_, reply) => reply.sse().end())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const session = connect(url)
  t.teardown(() => session.destroy())

  const short = session.request({ ':path': '/short' }).setEncoding('utf8')
  t.match((await once(short, 'response'))[0], { ':status': 200, 'content-type': 'text/event-stream' })
  t.equal((await short.toArray()).join(''), ': \n')

  const head = session.request({ ':path': '/', ':method': 'HEAD' })
  t.equal((await head.toArray()).join(''), '')

  const long = session.request({ ':path': '/' }).setEncoding('utf8')
  let text = ''
  long.on('data', (chunk: string) => {
    text += chunk
  })
  await until('the message', () => text.endsWith('data: one\n\n'))
  long.close()
  await until('the route knows that the client has left', () => left.length === 2)
})

/** Of how many pieces each write to a socket of the app was, as it went to the kernel. */
function writesOf({ server }: FastifyInstance): number[] {
  const written: number[] = []
  server.on('connection', (socket: Socket) => {
    const { _write: write, _writev: writev } = socket
    socket._write = function (...given) {
      written.push(1)
      write.apply(this, given)
    }
    socket._writev = function (chunks, done) {
      written.push(chunks.length)
      writev?.call(this, chunks, done)
    }
  })
  return written
}

/** A foreign app with one route, whose streams the test holds in its hands. */
async function host(t: Test, options?: MessageStreamOptions) {
  const app = Fastify()
  const streams: MessageStream[] = []
  await app.register(sse)
  app.get('/', (_, reply) => {
    streams.push(reply.sse(options))
  })
  const url = await listen(t, app)
  return {
    app,
    url,
    async next(): Promise<MessageStream> {
      await until('a stream', () => streams.length > 0)
      const stream = streams.shift()
      if (!stream) throw new Error('There is no stream.')
      return stream
    },
  }
}

/** The same with a route that sends all of a source. */
async function sourced(
  t: Test,
  source: (stream: MessageStream) => AsyncIterable<SseMessage>,
  log?: (line: string) => void,
): Promise<string> {
  const app = Fastify({ logger: log ? { stream: { write: log } } : false })
  await app.register(sse)
  app.get('/', (_, reply) => {
    const stream = reply.sse()
    return stream.sendAll(source(stream))
  })
  return listen(t, app)
}

async function listen(t: Test, app: FastifyInstance): Promise<string> {
  t.teardown(() => app.close())
  return app.listen({ host: '127.0.0.1', port: 0 })
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** Whether a figure stays the same while sockets are read and written. */
async function isSteady(figure: () => number): Promise<boolean> {
  const before = figure()
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve))
  return before > 0 && figure() === before
}
