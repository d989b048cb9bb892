/** One abuse a test: what a receiver does to keep the gateway busy, and what remains of it. */
import { getEventListeners } from 'node:events'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { httpReceiver, rawReceiver, requestTo, testSender } from '../../../harness/sender.js'
import { until } from '../../../harness/until.js'

/** Short: nothing arrives in this time, or never all of it. */
const TIMEOUT_MS = 300

async function abused(t: Test, behave: (socket: Socket) => void, options = {}) {
  const receiver = await rawReceiver(t, behave)
  const outcome = await testSender(t, options).send(requestTo(receiver.url))
  await until('the connection is closed', () => receiver.connections.open === 0)
  return outcome
}

t.test('a receiver that never answers is given up at the time limit', async t => {
  const outcome = await abused(t, () => undefined, { timeoutMs: TIMEOUT_MS })

  t.match(outcome, { kind: 'failed', error: 'timeout', detail: 'No answer arrived within 0.3 s.' })
})

t.test('headers that arrive byte by byte do not extend the time limit', async t => {
  const outcome = await abused(t, trickle('HTTP/1.1 200 OK\r\nX-Long: ', 'a'), { timeoutMs: TIMEOUT_MS })

  t.match(outcome, { kind: 'failed', error: 'timeout' })
})

t.test('a body that arrives byte by byte does not extend the time limit', async t => {
  const outcome = await abused(t, trickle('HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n', 'a'), {
    timeoutMs: TIMEOUT_MS,
  })

  t.match(outcome, {
    kind: 'failed',
    error: 'timeout',
    detail: 'Only a part of the answer arrived within 0.3 s.',
  })
})

t.test('informational responses without an end do not extend the time limit', async t => {
  const outcome = await abused(t, trickle('', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'), {
    timeoutMs: TIMEOUT_MS,
  })

  t.match(outcome, { kind: 'failed', error: 'timeout' })
})

t.test('of an answer of 100 MB little more than 64 KiB is read, and its status counts', async t => {
  let written = 0
  const outcome = await abused(t, socket => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${100 * 1024 * 1024}\r\n\r\n`)
    const more = () => {
      if (socket.destroyed) return
      written += 65_536
      socket.write(Buffer.alloc(65_536, 'x'), more)
    }
    more()
  })

  t.match(outcome, { kind: 'answered', status: 200, answer: 'x'.repeat(1_024) })
  t.ok(written < 16 * 1024 * 1024, `${written} bytes were taken by the sockets' buffers`)
})

t.test('after hundreds of requests to hostile receivers no connection, timer or memory is left', async t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const behaviours: ((socket: Socket) => void)[] = [
    () => undefined,
    socket => socket.resetAndDestroy(),
    trickle('HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n', 'a'),
    socket => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(100_000)}`),
  ]
  const receivers = await Promise.all(behaviours.map(behave => rawReceiver(t, behave)))
  const sender = testSender(t, { timeoutMs: TIMEOUT_MS, breaker: { threshold: 10_000 } })
  const abort = new AbortController()
  const warnings: Error[] = []
  process.on('warning', warning => warnings.push(warning))
  const round = () =>
    Promise.all(
      Array.from({ length: 200 }, (_, n) => {
        const url = receivers[n % receivers.length]?.url ?? ''
        return sender.send(requestTo(url, { body: Buffer.alloc(100_000), signal: abort.signal }))
      }),
    )
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = { timers: timers(), bytes: 0 }
  await round()
  collect()
  before.bytes = process.memoryUsage().arrayBuffers

  await round()
  await round()
  await until('all connections are closed', () =>
    receivers.every(({ connections }) => connections.open === 0),
  )

  await until('the bodies are collected', () => {
    collect()
    return process.memoryUsage().arrayBuffers < before.bytes + 4_000_000
  })
  t.ok(timers() <= before.timers + 5, `${timers()} timers`)
  t.equal(getEventListeners(abort.signal, 'abort').length, 0)
  t.strictSame(warnings, [])
})

t.test('what is no answer, and what ends before its end, are failures of their own kinds', async t => {
  const answers: Record<string, readonly [text: string, error: string]> = {
    'a reset': ['', 'reset'],
    'an end without an answer': ['', 'reset'],
    'half a header': ['HTTP/1.1 200 OK\r\nContent-', 'reset'],
    'half a body': ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'reset'],
    'half a chunk': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc', 'reset'],
    'no HTTP': ['SSH-2.0-OpenSSH_9.2\r\n', 'bad-answer'],
    'another version': ['HTTP/9.9 200 OK\r\n\r\n', 'bad-answer'],
    'a status that is no number': ['HTTP/1.1 abc OK\r\n\r\n', 'bad-answer'],
    'two lengths': ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na', 'bad-answer'],
    'a length and chunks': [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'bad-answer',
    ],
    'a chunk without a size': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'bad-answer'],
    'too many headers': [
      `HTTP/1.1 200 OK\r\n${'X-Header: aaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(2_000)}\r\n`,
      'bad-answer',
    ],
    'another protocol': [
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      'reset',
    ],
  }

  const found = Object.entries(answers).map(async ([name, [text]]) => {
    const outcome = await abused(t, socket => {
      if (name === 'a reset') socket.resetAndDestroy()
      else socket.end(text)
    })
    return [name, outcome.kind === 'failed' ? outcome.error : outcome]
  })

  t.strictSame(
    Object.fromEntries(await Promise.all(found)),
    Object.fromEntries(Object.entries(answers).map(([name, [, error]]) => [name, error])),
  )
})

t.test('every status is an answer; a redirect is not followed', async t => {
  const elsewhere = await httpReceiver(t, (_, response) => response.end())
  const receiver = await httpReceiver(t, ({ url }, response) => {
    response.writeHead(Number(url?.slice(1)), { location: elsewhere.url }).end()
  })
  const sender = testSender(t)
  await sender.send(requestTo(`${receiver.url}/200`))
  const statuses = [200, 201, 204, 301, 302, 303, 307, 308, 304, 400, 401, 404, 410, 429, 500, 503, 599]

  const outcomes = await Promise.all(
    statuses.map(status => sender.send(requestTo(`${receiver.url}/${status}`))),
  )

  t.strictSame(
    outcomes.map(outcome => outcome.kind === 'answered' && outcome.status),
    statuses,
  )
  t.equal(elsewhere.connections.count, 0)
})

t.test('the beginning of an answer is kept as text that Postgres can store', async t => {
  const answers: readonly (readonly [Buffer, string])[] = [
    [Buffer.from('thanks'), 'thanks'],
    [Buffer.alloc(0), ''],
    [Buffer.from('a\0b'), 'a\ufffdb'],
    [Buffer.from([0x61, 0xff, 0xfe, 0x62]), 'a\ufffd\ufffdb'],
    // The limit cuts a character of three bytes.
    [Buffer.from(`${'a'.repeat(1_023)}€€`), 'a'.repeat(1_023)],
    [Buffer.from('€'.repeat(400)), '€'.repeat(341)],
    // Each becomes three bytes.
    [Buffer.alloc(2_000, 0xff), '\ufffd'.repeat(341)],
    [Buffer.alloc(60_000, 'b'), 'b'.repeat(1_024)],
  ]
  const receiver = await httpReceiver(t, ({ url }, response) =>
    response.end(answers[Number(url?.slice(1))]?.[0]),
  )
  const sender = testSender(t)
  await sender.send(requestTo(`${receiver.url}/0`))

  const outcomes = await Promise.all(answers.map((_, at) => sender.send(requestTo(`${receiver.url}/${at}`))))

  t.strictSame(
    outcomes.map(outcome => outcome.kind === 'answered' && outcome.answer),
    answers.map(([, text]) => text),
  )
})

t.test('a compressed answer stays compressed: nothing is unpacked', async t => {
  const receiver = await httpReceiver(t, ({ headers }, response) => {
    response.setHeader('content-encoding', 'gzip')
    response.end(String(headers['accept-encoding']))
  })

  t.match(await testSender(t).send(requestTo(receiver.url)), { answer: 'undefined' })
})

t.test('an aborted request is no failure, and leaves no connection', async t => {
  const receiver = await rawReceiver(t, () => abort.abort())
  const sender = testSender(t)
  const abort = new AbortController()

  const outcome = await sender.send(requestTo(receiver.url, { signal: abort.signal }))
  const later = await sender.send(requestTo(receiver.url, { signal: abort.signal }))

  t.strictSame([outcome, later], [{ kind: 'aborted' }, { kind: 'aborted' }])
  t.equal(receiver.connections.count, 1)
  await until('the connections are closed', () => receiver.connections.open === 0)
})

t.test('closing ends requests under way and idle connections, and may be done twice', async t => {
  let asked = () => {}
  const received = new Promise<void>(resolve => {
    asked = resolve
  })
  const receiver = await httpReceiver(t, ({ url }, response) => (url === '/ends' ? response.end() : asked()))
  const sender = testSender(t)
  await sender.send(requestTo(`${receiver.url}/ends`))
  const pending = sender.send(requestTo(`${receiver.url}/hangs`))
  await received

  await sender.close()
  await sender.close()

  t.strictSame(await pending, { kind: 'aborted' })
  t.strictSame(await sender.send(requestTo(receiver.url)), { kind: 'aborted' })
  await until('the connections are closed', () => receiver.connections.open === 0)
})

t.test('a header that cannot be sent is a failure, and nothing is sent', async t => {
  const receiver = await httpReceiver(t, (_, response) => response.end())
  const sender = testSender(t)
  const bad = [
    { 'a b': 'c' },
    { a: 'b\r\nc: d' },
    { a: '\0' },
    { 'transfer-encoding': 'x' },
    { 'content-length': '99' },
  ]

  const outcomes = await Promise.all(bad.map(headers => sender.send(requestTo(receiver.url, { headers }))))

  t.strictSame(
    outcomes.map(outcome => outcome.kind === 'failed' && outcome.error),
    bad.map(() => 'bad-headers'),
  )
})

t.test('requests one after the other use one connection, and leave no timer', async t => {
  const receiver = await httpReceiver(t, (_, response) => response.end('ok'))
  const sender = testSender(t)

  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  await sender.send(requestTo(receiver.url))
  const before = timers()

  for (let n = 0; n < 20; n++) t.match(await sender.send(requestTo(receiver.url)), { status: 200 })

  t.equal(receiver.connections.count, 1)
  t.ok(timers() < before + 10, `${timers() - before} more timers`)
})

t.test('beyond a number of open connections none is kept', async t => {
  const receivers = await Promise.all(
    Array.from({ length: 6 }, () => httpReceiver(t, (_, response) => response.end())),
  )
  const sender = testSender(t, { keptConnections: 3 })

  for (const { url } of receivers) t.match(await sender.send(requestTo(url)), { status: 200 })

  const open = () => receivers.reduce((sum, { connections }) => sum + connections.open, 0)
  await until('three are left', () => open() === 3)
})

t.test('connections to one origin are bounded; what exceeds them waits', async t => {
  let together = 0
  let most = 0
  const receiver = await httpReceiver(t, (_, response) => {
    most = Math.max(most, ++together)
    setImmediate(() => {
      together--
      response.end()
    })
  })
  const sender = testSender(t, { connections: 2 })
  await sender.send(requestTo(receiver.url))

  const outcomes = await Promise.all(Array.from({ length: 20 }, () => sender.send(requestTo(receiver.url))))

  t.strictSame(
    outcomes.map(({ kind }) => kind),
    outcomes.map(() => 'answered'),
  )
  t.ok(
    receiver.connections.count <= 2 && most <= 2,
    `${receiver.connections.count} connections, ${most} at once`,
  )
})

function trickle(start: string, more: string) {
  return (socket: Socket) => {
    socket.write(start)
    const drip = () => {
      if (!socket.destroyed) socket.write(more, () => setTimeout(drip, 20))
    }
    drip()
  }
}
