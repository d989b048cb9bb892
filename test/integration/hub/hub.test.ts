import t, { type Test } from 'tap'
import { admitStream } from '../../../src/hub/stream-admission.js'
import { sse } from '../../../src/sse/encoding.js'
import { movableClock } from '../../harness/clock.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { observed, startHub, type TestHubOptions } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

t.test('a stream is opened once for all callers that ask for it at the same time', async t => {
  const { hub, statements } = await counted(t)

  const handles = await Promise.all(Array.from({ length: 50 }, () => hub.open('acme', 'feed')))

  t.equal(new Set(handles.map(handle => handle?.stream)).size, 1)
  t.equal(statements('sluice-ensure-stream'), 1)
})

t.test('two workspaces have different streams of the same name', async t => {
  const { hub } = await startHub(t)

  const [acme, globex] = [await hub.open('acme', 'feed'), await hub.open('globex', 'feed')]

  t.not(acme?.stream.id, globex?.stream.id)
})

t.test('50 callers that ask for a missing stream cost one query, and all get nothing', async t => {
  const { hub, statements } = await counted(t)

  const handles = await Promise.all(Array.from({ length: 50 }, () => hub.open('acme', 'nowhere')))

  t.ok(handles.every(handle => handle === undefined))
  t.equal(statements('sluice-find-stream-and-head'), 1)
})

t.test('a stream that could not be opened can be opened later', async t => {
  let away = true
  const { hub } = await startHub(t, {
    reading: database =>
      observed(database, () => {
        if (away) throw new Error('away')
      }),
  })

  await t.rejects(hub.open('acme', 'feed'), { message: 'away' })
  away = false

  t.ok(await hub.open('acme', 'feed'))
})

t.test('a stream stays open for a while after its last client, and as long as it has a handle', async t => {
  const clock = movableClock(t)
  const { hub, statements, append } = await counted(t, { heartbeatMs: 10 })
  const first = await hub.open('acme', 'feed')
  await append(1)
  await until('its event', () => first?.stream.head.position === 1)
  first?.release()
  first?.release()

  clock.forward(9_000)
  await ticks()
  const second = await hub.open('acme', 'feed')
  t.equal(second?.stream, first?.stream, 'with its recent events')
  clock.forward(60_000)
  await ticks()
  t.equal((await hub.open('acme', 'feed'))?.stream, first?.stream, 'somebody holds it')

  const third = await hub.open('acme', 'feed')
  for (const handle of [second, third]) handle?.release()
  t.equal(statements('sluice-ensure-stream'), 1)
})

t.test('the look-up of a stream that takes long holds up no client of another stream', async t => {
  let answer = () => {}
  const answered = new Promise<void>(resolve => {
    answer = resolve
  })
  let isSlow = false
  const { hub, url } = await startHub(t, {
    heartbeatMs: 10,
    reading: database =>
      observed(database, name => (isSlow && name === 'sluice-ensure-stream' ? answered : undefined)),
  })
  const client = await openStream(t, url)
  await client.until(1, 'heartbeat')
  isSlow = true
  const opening = hub.open('globex', 'feed')
  t.teardown(answer)

  const heartbeats = client.messages.length
  await client.until(found => found.length > heartbeats + 2)
  answer()

  t.ok(await opening)
})

t.test('nothing is read for a client that has gone', async t => {
  const { hub, append } = await startHub(t)
  await append(1)
  await hub.open('acme', 'feed')
  const resolve = t.capture(hub.starts, 'resolve', hub.starts.resolve)
  const leaving = new AbortController()
  const request = { workspace: 'acme', stream: 'feed', encoding: sse, from: { at: 'beginning' } } as const
  const fails = () => t.fail('It is gone.') as never
  const host = { authorize: async () => leaving.abort(), openSink: fails }
  const gone = { ...request, gone: leaving.signal }

  t.same(await admitStream(hub, gone, host), { outcome: 'gone' })
  t.same(await admitStream(hub, { ...gone, opening: fails }, host), { outcome: 'gone' })
  t.strictSame(resolve(), [])
})

t.test('the clients of a stream learn of its end if a reader finds another stream of its name', async t => {
  const { hub, pool } = await startHub(t)
  const create = () => pool.query(`select sluice.ensure_stream('acme', 'orders')`)
  await create()
  const first = await hub.open('acme', 'orders')
  await pool.query(`delete from sluice.streams where name = 'orders'`)
  await create()

  const second = await hub.open('acme', 'orders', { streams: { exact: ['orders'], prefixes: [] } })

  t.not(second?.stream.id, first?.stream.id)
  t.ok(first?.stream.deleted)
  t.notOk(second?.stream.deleted)
})

t.test('a stream that is deleted while a reader looks whether it is there is opened anew', async t => {
  let answered = async () => {}
  const { hub, pool, tailer } = await startHub(t, {
    reading: database =>
      observed(
        database,
        () => {},
        async name => {
          if (name === 'sluice-find-stream-and-head') await answered()
        },
      ),
  })
  const create = () => pool.query(`select sluice.ensure_stream('acme', 'orders')`)
  await create()
  const first = await hub.open('acme', 'orders')
  first?.release()
  answered = async () => {
    answered = async () => {}
    await pool.query(`delete from sluice.streams where name = 'orders'`)
    await create()
    if (first) tailer.ends.deleted(first.stream.id)
  }

  const second = await hub.open('acme', 'orders')

  t.ok(first?.stream.deleted)
  t.equal(second?.stream.deleted, false)
})

t.test('the tailer stops reading a stream that has had no handle for a while', async t => {
  const clock = movableClock(t)
  const { hub, append, statements } = await counted(t, { heartbeatMs: 10 })
  const first = await hub.open('acme', 'feed')
  await append(1)
  await until('its event', () => first?.stream.head.position === 1)
  first?.release()
  const reads = statements('sluice-read-tails')

  clock.forward(11_000)
  await ticks()
  await append(1)
  t.equal(statements('sluice-read-tails'), reads)
  const second = await hub.open('acme', 'feed')
  await append(1)
  await until('the event', () => second?.stream.head.position === 3)

  t.equal(first?.stream.head.position, 1)
})

t.test('a deleted stream can be opened again at once', async t => {
  const { hub, pool, tailer } = await startHub(t)
  const first = await hub.open('acme', 'feed')
  await pool.query('delete from sluice.streams')
  tailer.wake('all')
  await until('its end', () => first?.stream.deleted === true)

  const second = await hub.open('acme', 'feed')

  t.notOk(second?.stream.deleted)
  t.not(second?.stream.id, first?.stream.id)
})

t.test('clients are counted, and the limit refuses more', async t => {
  const { hub, url } = await startHub(t, { maxStreams: () => 2 })
  t.equal(hub.refusal, undefined)

  const clients = [await openStream(t, url), await openStream(t, url)]
  await until('both', () => hub.clients().total === 2)
  t.strictSame(hub.clients(), { total: 2, byKind: { feed: 2 } })
  t.equal(hub.refusal, 'limit')
  clients[0]?.close()

  await until('room', () => hub.refusal === undefined)
})

t.test('when too many clients come at once, those over the limit are refused', async t => {
  const { hub, url } = await startHub(t, { maxStreams: () => 5 })

  const clients = await Promise.all(Array.from({ length: 20 }, () => openStream(t, url)))

  const isRefused = ({ messages }: EventStream) => messages.some(({ event }) => event === 'unavailable')
  await until('15 clients are refused', () => clients.filter(isRefused).length === 15)

  const ended = await Promise.all(clients.filter(isRefused).map(client => client.ended()))
  t.ok(ended.every(Boolean), 'cleanly')
  t.equal(hub.clients().total, 5)
})

t.test('a new mode reaches every client once, and each new client', async t => {
  const { hub, url } = await startHub(t)
  const clients = [await openStream(t, url), await openStream(t, url)]
  for (const client of clients) await client.until(1)

  hub.announce('maintenance')
  hub.announce('maintenance')
  hub.announce('normal')
  hub.announce('degraded')
  const late = await openStream(t, url)

  const modes = ['normal', 'maintenance', 'normal', 'degraded'].map(mode => ({
    data: new RegExp(`"mode":"${mode}"`),
  }))
  for (const client of clients) t.match(await client.until(4), modes)
  t.match(await late.until(1), [{ event: 'server.state', data: /"mode":"degraded"/ }])
})

t.test('a drain tells 200 clients, asks them to come back, and ends them cleanly in waves', async t => {
  const { hub, url, append } = await startHub(t)
  const clients = await Promise.all(Array.from({ length: 200 }, () => openStream(t, url)))
  await until('all are there', () => hub.clients().total === 200)
  const [id] = await append(1)
  await Promise.all(clients.map(client => client.until(messages => messages.at(-1)?.id === id)))
  const left: number[] = []
  const watching = setInterval(() => left.push(hub.clients().total), 10)
  t.teardown(() => clearInterval(watching))

  await hub.drain(500)

  const ends = await Promise.all(clients.map(client => client.ended()))
  t.ok(ends.every(Boolean), 'each response is complete')
  for (const { messages, retries } of clients) {
    t.match(messages.at(-1), { event: 'server.state', data: '{"mode":"draining"}' })
    t.equal(retries.length, 2)
  }
  t.ok(new Set(clients.map(({ retries }) => retries[1])).size > 50, 'they are not to come back all at once')
  t.ok(new Set(left.filter(count => count > 0 && count < 200)).size > 1, 'they did not leave all at once')
  t.equal(hub.clients().total, 0)
})

t.test('a client that was admitted before the drain and subscribes after it is ended too', async t => {
  let proceed = () => {}
  let asked = false
  const { hub, url } = await startHub(t, {
    reading: database =>
      observed(database, async name => {
        if (name !== 'sluice-find-stream') return
        asked = true
        await new Promise<void>(resolve => {
          proceed = resolve
        })
      }),
  })
  t.equal(hub.refusal, undefined)
  const opening = openStream(t, url)
  await until('it is let in', () => asked)

  await hub.drain(100)
  t.equal(hub.refusal, 'draining')
  proceed()

  const client = await opening
  t.ok(await client.ended())
  t.match(client.messages, [{ event: 'server.state', data: /"mode":"draining"/ }])
  t.equal(hub.clients().total, 0)
})

/** A hub that counts its statements. */
async function counted(t: Test, options: TestHubOptions = {}) {
  const names: string[] = []
  const reading: TestHubOptions['reading'] = database => observed(database, name => names.push(name))
  const hub = await startHub(t, { ...options, reading })
  return { ...hub, statements: (name: string) => names.filter(seen => seen === name).length }
}

/** Waits for some ticks of the hub's timer, which must run every 10 ms. */
async function ticks(): Promise<void> {
  let passed = 0
  const timer = setInterval(() => {
    passed += 1
  }, 10)
  await until('some ticks', () => passed > 5)
  clearInterval(timer)
}
