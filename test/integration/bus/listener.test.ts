import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { Listener } from '../../../src/bus/listener.js'
import { WAKE_CHANNEL } from '../../../src/bus/wake-text.js'
import { createDatabase } from '../../harness/database.js'
import { patient } from '../../harness/patience.js'
import { type PostgresProxy, startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

const CANARY = 'canary:'
const NOTIFICATION = 'A'
const LISTENERS = `select pid from pg_stat_activity where application_name = 'sluice listen' and datname = current_database()`

t.test('notifications of others arrive, its own canary does not', async t => {
  const { pool, url } = await createDatabase(t)
  const { payloads, sent } = await listen(t, await startProxy(t, url))

  await until('some canaries', () => sent() > 3)
  await pool.query('select pg_notify($1, $2)', [WAKE_CHANNEL, 'hello'])

  await until('the payload', () => payloads.length > 0)
  t.strictSame(payloads, ['hello'])
})

t.test('a terminated connection is replaced, and everything counts as woken', async t => {
  const { pool, url } = await createDatabase(t)
  const { listener, ups, payloads } = await listen(t, await startProxy(t, url))

  await pool.query(`select pg_terminate_backend(pid) from (${LISTENERS}) as l`)

  await until('it is up again', () => ups() === 2)
  t.ok(listener.listening)
  t.equal((await pool.query(LISTENERS)).rowCount, 1)
  await pool.query('select pg_notify($1, $2)', [WAKE_CHANNEL, 'hello'])
  await until('the payload', () => payloads.includes('hello'))
})

t.test('the listener reconnects each time that its connection is terminated', async t => {
  const { pool, url } = await createDatabase(t)
  const { ups } = await listen(t, await startProxy(t, url))

  for (let times = 1; times <= 5; times += 1) {
    await pool.query(`select pg_terminate_backend(pid) from (${LISTENERS}) as l`)
    await until(`the comeback ${times}`, () => ups() === times + 1)
  }

  t.equal((await pool.query(LISTENERS)).rowCount, 1)
})

t.test('the listener retries until the server is up', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  await proxy.unplug()
  const { listener, ups } = begin(t, proxy)

  proxy.mode = 'refuse'
  await proxy.plugIn()
  await until('some attempts', () => proxy.accepted >= 3)
  t.notOk(listener.listening)
  proxy.mode = 'pass'

  await until('it listens', () => listener.listening)
  t.equal(ups(), 1)
})

t.test('a connection on which the server is silent is replaced', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  proxy.mode = 'silent'
  const { listener } = begin(t, proxy)
  await until('two attempts', () => proxy.accepted === 2)
  t.equal(proxy.open, 1, 'the first connection was closed')

  proxy.mode = 'pass'

  await until('it listens', () => listener.listening)
})

t.test('the canary finds a half-open connection, and it is replaced', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { listener, ups, downs, payloads } = await listen(t, proxy)

  proxy.freeze()

  await until('it is up again', () => ups() === 2)
  t.equal(downs(), 1)
  t.ok(listener.listening)
  await until('the dead connection is closed', () => proxy.open === 1)
  await until('its backend too', async () => (await pool.query(LISTENERS)).rowCount === 1)
  await pool.query('select pg_notify($1, $2)', [WAKE_CHANNEL, 'hello'])
  await until('the payload', () => payloads.includes('hello'))
})

t.test(
  'with its default settings the listener notices a half-open connection after 7.5 s at most',
  async t => {
    const { url } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
    const listener = new Listener({ url: proxy.url, canary: CANARY, onPayload() {}, onListening() {} })
    t.teardown(() => listener.close())
    listener.start()
    await until('it listens', () => listener.listening)

    // The longest wait: the connection goes silent just after a canary has come back.
    proxy.freeze()
    const after: Record<number, boolean> = {}
    let passed = 0
    for (const ms of [5_000, 7_499, 7_500]) {
      mock.timers.tick(ms - passed)
      passed = ms
      await new Promise(resolve => setImmediate(resolve))
      after[ms] = listener.listening
    }

    t.strictSame(after, { 5000: true, 7499: true, 7500: false })
  },
)

t.test('behind a pooler that passes on no notifications, the listener never claims to listen', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  proxy.messages = deaf
  const { listener, ups } = begin(t, proxy)

  await until('several attempts', () => proxy.accepted >= 3)

  t.notOk(listener.listening)
  t.equal(ups(), 0)
  t.ok(proxy.open <= 1)
})

t.test('the listener notices when notifications stop arriving, and when they arrive again', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { listener, ups } = await listen(t, proxy)

  proxy.messages = deaf
  await until('it is down', () => !listener.listening)
  proxy.messages = message => message

  await until('it is up again', () => listener.listening)
  t.equal(ups(), 2)
})

t.test('a session in which somebody runs UNLISTEN * is replaced', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { ups, downs, payloads } = await listen(t, proxy)
  let injected = false
  proxy.messages = message => {
    // The end of a canary's NOTIFY: the session is idle until the next one.
    if (!injected && message.toString('latin1', 0, 1) === 'Z') {
      injected = true
      setImmediate(() => proxy.inject('unlisten *'))
    }
    return message
  }

  await until('it is up again', () => ups() === 2)

  t.ok(injected)
  t.equal(downs(), 1)
  await until('the session is replaced', async () => (await pool.query(LISTENERS)).rowCount === 1)
  await pool.query('select pg_notify($1, $2)', [WAKE_CHANNEL, 'hello'])
  await until('the payload', () => payloads.includes('hello'))
})

t.test('a LISTEN that fails is retried', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  let failed = 0
  proxy.messages = message => {
    const isListen = message.toString('latin1', 5, 11) === 'LISTEN'
    if (!isListen || failed === 2) return message
    failed += 1
    return errorResponse('0A000', 'cannot execute LISTEN during recovery', 'ERROR')
  }

  const { ups } = await listen(t, proxy)

  t.equal(failed, 2)
  t.equal(ups(), 1)
})

// The canary's end and the loss of the connection in one packet: neither may undo what the other has set up.
t.test('a connection that is lost at the moment when a canary returns is replaced', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { listener, ups } = await listen(t, proxy)
  let armed = true
  proxy.messages = message => {
    const isReady = message.toString('latin1', 0, 1) === 'Z'
    if (!isReady || !armed) return message
    armed = false
    return Buffer.concat([message, errorResponse('57P01', 'terminating connection', 'FATAL')])
  }

  await until('it is up again', () => ups() === 2)

  t.ok(listener.listening)
})

t.test('closing leaves nothing open, whether it connects, waits for a canary or pauses', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)

  proxy.mode = 'silent'
  const connecting = begin(t, proxy)
  await until('it connects', () => proxy.open === 1)
  await connecting.listener.close()
  await until('nothing is open', () => proxy.open === 0)

  proxy.mode = 'pass'
  proxy.messages = deaf
  const waiting = begin(t, proxy)
  await until('it waits for its canary', async () => (await pool.query(LISTENERS)).rowCount === 1)
  await waiting.listener.close()
  await until('nothing is open', () => proxy.open === 0)

  proxy.mode = 'refuse'
  const pausing = begin(t, proxy)
  const before = proxy.accepted
  await until('it was refused', () => proxy.accepted > before)
  await pausing.listener.close()
  await pausing.listener.close()

  t.equal(proxy.open, 0)
  t.notOk([connecting, waiting, pausing].some(({ listener }) => listener.listening))
})

t.test('a listener that was closed is not started', async t => {
  const { url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { listener } = await listen(t, proxy)
  await listener.close()
  // More than one, if the server stood still while it connected.
  const { accepted } = proxy

  listener.start()

  await new Promise(resolve => setImmediate(resolve))
  t.equal(proxy.accepted, accepted)
})

/** Starts a listener through the proxy, with frequent canaries that still allow for a busy machine. */
function begin(t: Test, proxy: PostgresProxy) {
  const payloads: unknown[] = []
  let ups = 0
  let downs = 0
  let was = false
  const listener = new Listener({
    url: proxy.url,
    canary: CANARY,
    canaryEveryMs: 50,
    canaryDeadlineMs: patient(500),
    onPayload: payload => payloads.push(payload),
    onListening: () => {
      ups += 1
    },
  })
  const watching = setInterval(() => {
    if (was && !listener.listening) downs += 1
    was = listener.listening
  }, 1)
  t.teardown(() => clearInterval(watching))
  t.teardown(() => listener.close())
  listener.start()
  return { listener, payloads, ups: () => ups, downs: () => downs }
}

/** The same, once it listens. Counts the canaries that pass through the proxy. */
async function listen(t: Test, proxy: PostgresProxy) {
  const { messages } = proxy
  let sent = 0
  proxy.messages = (message, asked) => {
    if (message.includes(CANARY)) sent += 1
    return messages(message, asked)
  }
  const begun = begin(t, proxy)
  await until('it listens', () => begun.listener.listening)
  return { ...begun, sent: () => sent }
}

function deaf(message: Buffer): Buffer {
  return message.toString('latin1', 0, 1) === NOTIFICATION ? Buffer.alloc(0) : message
}

/** PostgreSQL manual, Message Formats, ErrorResponse. */
function errorResponse(code: string, text: string, severity: 'ERROR' | 'FATAL'): Buffer {
  const fields = Buffer.from(`S${severity}\0V${severity}\0C${code}\0M${text}\0\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
