import t, { type Test } from 'tap'
import type { BusStatus } from '../../../src/bus/bus.js'
import { createPool, type Database, inTransaction } from '../../../src/database/pool.js'
import type { TailedStream } from '../../../src/hub/tailed-stream.js'
import { Tailer, type TailerOptions } from '../../../src/hub/tailer.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'
import { type Bounds, readHead } from '../../../src/log/log.js'
import { createDatabase } from '../../harness/database.js'
import { appendEvents, observed, replaceTail, silent } from '../../harness/hub.js'
import { startProxy } from '../../harness/postgres-proxy.js'
import { until } from '../../harness/until.js'

/** Shorter than the time between polls while the bus listens. */
const SOON_MS = 3_000
const A_DAY_MS = 86_400_000
const LIVE_CLIENTS = 3

t.test('a burst arrives complete and in order, however often the tailer is woken', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)

  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const { streamId } = await appendEvents(pool, 100)
      tailer.wake([streamId])
      tailer.wake([streamId, streamId])
    }),
  )

  await until('all of them', () => stream.events.length >= 5_000)
  t.strictSame(positions(stream), range(1, 5_000))
})

t.test('events of the largest size arrive in order', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)

  for (let n = 0; n < 5; n += 1) await appendEvents(pool, 4, `{"x":"${'x'.repeat(262_000)}"}`)
  tailer.wake([stream.id])

  await until('all of them', () => stream.events.length >= 20)
  t.strictSame(positions(stream), range(1, 20))
})

t.test('the poll finds events without a wake', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)

  await appendEvents(pool, 3)

  await until('the events', () => stream.events.length === 3)
})

t.test('the poll becomes faster as soon as the bus is down', async t => {
  const { pool, tailer, bus } = await start(t, { status: 'listening' })
  const stream = await follow(pool, tailer)

  bus.status = 'down'
  await appendEvents(pool, 3)

  await until('the events', () => stream.events.length === 3, SOON_MS)
})

t.test('wakes for streams that are not followed, or do not exist, cost nothing', async t => {
  let statements = 0
  const { pool, tailer } = await start(t, { status: 'listening', see: () => (statements += 1) })
  const stream = await follow(pool, tailer)
  await until('the first look', () => statements > 0)
  const before = statements

  tailer.wake([0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER, stream.id + 1_000] as StreamId[])
  await appendEvents(pool, 1)
  tailer.wake([stream.id])

  await until('the event', () => stream.events.length === 1)
  t.equal(statements, before + 1)
})

t.test('one read is in flight at a time, and all wakes meanwhile share the next one', async t => {
  let reads = 0
  let proceed = () => {}
  const see = async (name: string) => {
    if (name !== 'sluice-read-tails') return
    reads += 1
    if (reads === 1) {
      await new Promise<void>(resolve => {
        proceed = resolve
      })
    }
  }
  const { pool, tailer } = await start(t, { status: 'listening', see })
  const stream = await follow(pool, tailer)
  await until('the first read', () => reads === 1)

  for (let n = 0; n < 10; n += 1) {
    await appendEvents(pool, 1)
    tailer.wake([stream.id])
  }
  t.equal(reads, 1)
  proceed()

  await until('the events', () => stream.events.length === 10)
  t.equal(reads, 2)
})

t.test('a stream that is paused after each delivery misses nothing', async t => {
  const deliveries: { clients: number; characters: number }[] = []
  const pauseRule = {
    pauseAfter(clients: number, characters: number) {
      deliveries.push({ clients, characters })
      return 1
    },
  }
  const { pool, tailer } = await start(t, { status: 'listening', pauseRule })
  const stream = await follow(pool, tailer)

  for (let n = 0; n < 20; n += 1) {
    await appendEvents(pool, 2)
    tailer.wake([stream.id])
  }

  await until('all of them', () => stream.events.length === 40)
  t.strictSame(positions(stream), range(1, 40))
  t.ok(deliveries.every(({ clients }) => clients === LIVE_CLIENTS))
  t.equal(
    deliveries.reduce((sum, { characters }) => sum + characters, 0),
    stream.events.reduce((sum, { data }) => sum + data.length, 0),
  )
})

t.test('a stream is not read while it is paused, and another is', async t => {
  const pauseRule = { pauseAfter: () => A_DAY_MS }
  const { pool, tailer } = await start(t, { status: 'listening', pauseRule })
  const paused = await follow(pool, tailer)
  const free = await follow(pool, tailer, undefined, 'other')

  await appendEvents(pool, 1)
  tailer.wake([paused.id])
  await until('the first event', () => paused.events.length === 1)
  await appendEvents(pool, 1)
  await pool.query(`select sluice.publish('acme', 'other', 'thing.made', '{}')`)
  tailer.wake([paused.id])
  tailer.wake([free.id])

  await until('the event of the other', () => free.events.length === 1)
  t.equal(paused.events.length, 1)
})

t.test('a stream that is far behind is not paused', async t => {
  const pausedAt: number[] = []
  const pauseRule = {
    pauseAfter: () => {
      pausedAt.push(stream.events.length)
      return 0
    },
  }
  const { pool, tailer } = await start(t, { status: 'listening', pauseRule })
  const stream = await follow(pool, tailer)

  await appendEvents(pool, 5_000)
  tailer.wake([stream.id])

  await until('all of them', () => stream.events.length === 5_000)
  t.strictSame(pausedAt, [5_000], 'the last page is the only one that was not full')
})

t.test('the tailer retries until the database is back, and reports since when it fails', async t => {
  const { pool, url } = await createDatabase(t)
  const proxy = await startProxy(t, url)
  const { tailer } = await start(t, { database: pool, url: proxy.url })
  const stream = await follow(pool, tailer)
  t.equal(tailer.failingSince, undefined)

  await proxy.unplug()
  await appendEvents(pool, 3)
  tailer.wake([stream.id])
  await until('the trouble', () => tailer.failingSince !== undefined)
  await proxy.plugIn()

  await until('the events', () => stream.events.length === 3)
  await until('the end of the trouble', () => tailer.failingSince === undefined)
  t.strictSame(positions(stream), [1, 2, 3])
  t.strictSame(stream.restarts, [])
})

t.test('the tailer never skips a gap', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)

  await inTransaction(pool, async client => {
    await appendEvents(client, 5)
    await client.query('delete from sluice.events where "position" = 3')
  })
  tailer.wake([stream.id])

  await until('the restart', () => stream.restarts.length > 0)
  t.match(stream.restarts, [{ why: 'history-lost', bounds: { head: { position: 5 } } }])
  t.strictSame(stream.events, [])
})

for (const status of ['off', 'listening'] as const) {
  t.test(`a tail that is lost is noticed without any failure, with the bus ${status}`, async t => {
    const { pool, tailer } = await start(t, { status })
    const stream = await follow(pool, tailer)
    await appendEvents(pool, 5)
    tailer.wake([stream.id])
    await until('the events', () => stream.events.length === 5)

    await pool.query('delete from sluice.events where "position" > 2')

    await until('the restart', () => stream.restarts.length > 0)
    t.match(stream.restarts, [{ why: 'history-lost', bounds: { head: { position: 2 } } }])
    await appendEvents(pool, 1)
    tailer.wake([stream.id])
    await until('the next event', () => stream.events.length === 6)
    t.equal(stream.events.at(-1)?.position, 3)
  })
}

t.test('the tailer detects a tail that was replaced by another of the same length', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)
  await appendEvents(pool, 5)
  tailer.wake([stream.id])
  await until('the events', () => stream.events.length === 5)

  const { rows } = await replaceTail(pool, 2, 3)

  await until('the restart', () => stream.restarts.length > 0)
  t.match(stream.restarts[0]?.bounds.head, { position: 5, eventId: rows[2]?.eventId })
})

t.test('a stream that retention overtakes is restarted with that reason', async t => {
  const { pool, tailer } = await start(t, { status: 'listening' })
  const stream = await follow(pool, tailer)

  await inTransaction(pool, async client => {
    await appendEvents(client, 9)
    await client.query(`select sluice.retain('feed', '0 s', 5)`)
  })
  tailer.wake([stream.id])

  await until('the restart', () => stream.restarts.length > 0)
  t.match(stream.restarts, [{ why: 'retention', bounds: { base: { position: 5 }, head: { position: 9 } } }])
})

t.test('retention of events that were delivered restarts nothing', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)
  await appendEvents(pool, 5)
  tailer.wake([stream.id])
  await until('the events', () => stream.events.length === 5)

  await pool.query(`select sluice.retain('feed', '0 s', 100)`)
  tailer.wake('all')
  await appendEvents(pool, 1)

  await until('the next', () => stream.events.length === 6)
  t.strictSame(stream.restarts, [])
})

t.test('a deleted stream ends, and others go on', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)
  const { rows } = await pool.query(`select stream_id as id from sluice.append('acme', 'other', 'a.b', '{}')`)
  const other = await follow(pool, tailer, rows[0].id)

  // Its events are still there, but will never grow: a new stream of the same name has another number.
  await appendEvents(pool, 3)
  tailer.wake([stream.id])
  await until('its events', () => stream.events.length === 3)
  await pool.query(`delete from sluice.streams where name = 'feed'`)
  await until('its end', () => stream.deleted > 0)
  await pool.query(`select sluice.append('acme', 'other', 'a.b', '{}')`)

  await until('the event of the other', () => other.events.length === 1)
  t.equal(other.deleted, 0)
})

t.test('streams that are no longer followed get nothing', async t => {
  const { pool, tailer } = await start(t)
  const [stream, witness] = [await follow(pool, tailer), await follow(pool, tailer, undefined, 'other')]

  tailer.unfollow(stream)
  await appendEvents(pool, 1)
  await pool.query(`select sluice.append('acme', 'other', 'a.b', '{}')`)
  tailer.wake('all')

  await until('the witness', () => witness.events.length === 1)
  t.strictSame(stream.events, [])
})

t.test('closing waits for the read in flight, and nothing is delivered after it', async t => {
  const { pool, tailer } = await start(t)
  const stream = await follow(pool, tailer)
  await appendEvents(pool, 10)
  tailer.wake([stream.id])

  await tailer.close()
  const received = stream.events.length
  await appendEvents(pool, 10)
  tailer.wake('all')

  await tailer.close()
  t.equal(stream.events.length, received)
})

t.test('a deleted stream ends once, without a warning, and is read no more', async t => {
  const reads: string[] = []
  const warnings: string[] = []
  const logger = { ...silent, warn: (_: object, message: string) => warnings.push(message) }
  const { pool, tailer } = await start(t, { status: 'listening', see: name => reads.push(name), logger })
  const stream = await follow(pool, tailer, undefined, 'room')
  await appendEvents(pool, 3)
  await pool.query(`select sluice.append('acme', 'room', 'a', '{}')`)
  tailer.wake([stream.id])
  await until('the event', () => stream.events.length === 1)

  await pool.query(`select sluice.delete_stream('acme', 'room')`)
  tailer.wake([stream.id])
  await until('the end', () => stream.deleted === 1)
  reads.length = 0
  const other = await follow(pool, tailer)
  await appendEvents(pool, 1)
  tailer.wake([stream.id, other.id])
  await until('the event of another stream', () => other.events.length === 1)

  t.strictSame(
    { deleted: stream.deleted, restarts: stream.restarts, warnings },
    { deleted: 1, restarts: [], warnings: [] },
  )
  t.ok(reads.length <= 4, `${reads.length} reads`)
})

t.test(
  'a wake ends a stream that was closed by another process, with its last event or after it',
  async t => {
    const asked: string[] = []
    const { pool, tailer } = await start(t, { status: 'listening', see: name => asked.push(name) })
    const [atOnce, later] = [
      await follow(pool, tailer, undefined, 'one'),
      await follow(pool, tailer, undefined, 'two'),
    ]
    await until('the first looks', () => asked.length > 0)
    asked.length = 0

    await inTransaction(pool, async client => {
      await client.query(`select sluice.append('acme', 'one', 'a', '{}')`)
      await client.query(`select sluice.close_stream($1)`, [atOnce.id])
    })
    tailer.wake([atOnce.id])
    await until('the end with the last event', () => atOnce.closings > 0)
    await pool.query(`select sluice.append('acme', 'two', 'a', '{}')`)
    tailer.wake([later.id])
    await until('the event', () => later.events.length === 1)
    await pool.query(`select sluice.close_stream('acme', 'two')`)
    tailer.wake([later.id])
    await until('the end', () => later.closings > 0)

    t.strictSame(positions(atOnce), [1])
    t.notOk(asked.includes('sluice-find-ended'))
  },
)

interface StartOptions {
  readonly status?: BusStatus
  readonly see?: (name: string) => unknown
  /** An existing database, with the URL that the tailer uses. */
  readonly database?: Database
  readonly url?: string
  readonly pauseRule?: TailerOptions['pauseRule']
  readonly logger?: TailerOptions['logger']
}

async function start(
  t: Test,
  { status = 'off', see, database, url, pauseRule, logger = silent }: StartOptions = {},
) {
  const own = database ? undefined : await createDatabase(t)
  const pool = database ?? own?.pool
  if (!pool) throw new Error('There is no database.')
  const readers = createPool(url ?? own?.url ?? '', { max: 2, name: 'read', onError: () => {} })
  const bus: { status: BusStatus } = { status }
  const tailer = new Tailer({
    database: see ? observed(readers, see) : readers,
    bus,
    logger,
    ...(pauseRule && { pauseRule }),
  })
  tailer.start()
  t.teardown(async () => {
    await tailer.close()
    await readers.end()
  })
  return { pool, tailer, bus }
}

/** Follows a stream from its head, by default the feed of acme, and records what it gets. */
async function follow(pool: Database, tailer: Tailer, given?: StreamId, name = 'feed') {
  const { rows } = await pool.query(`select sluice.ensure_stream('acme', $1) as id`, [name])
  const id: StreamId = given ?? rows[0].id
  const stream = {
    id,
    head: await readHead(pool, id),
    kind: 'feed',
    liveClients: LIVE_CLIENTS,
    events: [] as StoredEvent[],
    restarts: [] as { why: string; bounds: Bounds }[],
    deleted: 0,
    closings: 0,
    receive(events: readonly StoredEvent[]) {
      stream.events.push(...events)
      stream.head = events.at(-1) ?? stream.head
    },
    restart(why: string, bounds: Bounds) {
      stream.restarts.push({ why, bounds })
      stream.head = bounds.head
    },
    onDeleted() {
      stream.deleted += 1
    },
    onClosed() {
      stream.closings += 1
    },
  }
  tailer.follow(stream satisfies TailedStream)
  return stream
}

function positions({ events }: { events: readonly StoredEvent[] }): Position[] {
  return events.map(({ position }) => position)
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
