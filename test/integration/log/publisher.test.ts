/** I1: what is acknowledged is stored. Group commit: together for speed, but each with its own answer. */
import t, { type Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import type { Committed } from '../../../src/log/committed.js'
import type { StreamId } from '../../../src/log/event.js'
import { ensureStream } from '../../../src/log/log.js'
import type { PublishRequest } from '../../../src/log/publish-request.js'
import { Publisher, type Receipt } from '../../../src/log/publisher.js'
import { Problem } from '../../../src/problems/problem.js'
import { createDatabase } from '../../harness/database.js'
import { connect, isDense, logged, typesOf } from '../../harness/records.js'
import { until } from '../../harness/until.js'

interface Fixture {
  readonly pool: Database
  readonly publisher: Publisher
  /** The streams that onCommitted has named, call by call. */
  readonly told: (readonly StreamId[])[]
}

async function startPublisher(test: Test): Promise<Fixture> {
  const { pool } = await createDatabase(test)
  const told: (readonly StreamId[])[] = []
  const onCommitted = (committed: readonly Committed[]) =>
    told.push(committed.map(({ streamId }) => streamId))
  const publisher = new Publisher({ database: pool, onCommitted })
  test.teardown(() => publisher.close())
  return { pool, publisher, told }
}

const request = (types: readonly string[], more: Partial<PublishRequest> = {}): PublishRequest => ({
  workspace: 'w',
  stream: 'feed',
  actor: 'me',
  events: types.map(type => ({ type, data: {} })),
  ...more,
})

/** Positions of the receipt, or the code of the problem. */
async function result(publishing: Promise<Receipt>): Promise<string> {
  try {
    return (await publishing).events.map(event => event.position).join()
  } catch (error) {
    if (error instanceof Problem) return error.code
    throw error
  }
}

/** Locks a stream, as a transaction that does not end, and starts a flush that waits for it. */
async function holdUp(test: Test, { pool, publisher }: Fixture) {
  const holder = await connect(test, pool)
  await holder.query('begin')
  await holder.query(`select sluice.append('w', 'held', 'a', '{}')`)
  const inFlight = publisher.publish(request(['held'], { stream: 'held' }))
  // A test that expects it to fail looks later; until then it is nobody's.
  inFlight.catch(() => undefined)
  await until('one flush', async () => (await flushes(pool)).length === 1)
  return { inFlight, letGo: () => holder.query('commit') }
}

/** The processes of the flushes that wait for a lock. */
async function flushes(pool: Database): Promise<number[]> {
  const { rows } = await pool.query(
    `select pid from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query ~ 'append_request'`,
  )
  return rows.map(({ pid }) => pid)
}

/** How many transactions have written the events of a stream. */
async function commits(pool: Database, stream: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(distinct e.xmin::text) as count
       from sluice.events e join sluice.streams s on s.id = e.stream_id where s.name = $1`,
    [stream],
  )
  return rows[0]?.count ?? 0
}

t.test('a receipt has the positions of the events', async t => {
  const { pool, publisher, told } = await startPublisher(t)

  const receipt = await publisher.publish(request(['a', 'b']))

  const rows = await logged(pool)
  t.strictSame(receipt, {
    replayed: false,
    events: rows.map(({ position, eventId, at }) => ({ position, eventId, at })),
  })
  t.strictSame(
    rows.map(({ type, actor }) => [type, actor]),
    [
      ['a', 'me'],
      ['b', 'me'],
    ],
  )
  t.strictSame(told, [[await ensureStream(pool, 'w', 'feed')]])
})

t.test('when onCommitted names a stream, its new event can be read', async t => {
  const { pool } = await createDatabase(t)
  const found: Promise<number>[] = []
  const publisher = new Publisher({
    database: pool,
    onCommitted: () => found.push(logged(pool).then(rows => rows.length)),
  })
  t.teardown(() => publisher.close())

  for (let count = 1; count <= 5; count += 1) {
    await publisher.publish(request(['a']))
    t.equal(await found.at(-1), count)
  }
})

t.test('requests that arrive during a flush are committed together, in the order of arrival', async t => {
  const fixture = await startPublisher(t)
  const { inFlight, letGo } = await holdUp(t, fixture)

  const waiting = Array.from({ length: 100 }, (_, index) =>
    fixture.publisher.publish(request([`t${index}`, 'next'])),
  )
  await letGo()
  const results = await Promise.all(waiting.map(result))

  t.equal(await result(inFlight), '2')
  t.strictSame(
    results,
    Array.from({ length: 100 }, (_, index) => `${2 * index + 1},${2 * index + 2}`),
  )
  t.equal(await commits(fixture.pool, 'feed'), 1)
  t.equal(fixture.told.length, 2)
})

t.test('a batch is bounded by events and by bytes, but a request is never cut', async t => {
  const fixture = await startPublisher(t)
  const { letGo } = await holdUp(t, fixture)
  const many = Array.from({ length: 900 }, () => 'a')
  const large = {
    events: Array.from({ length: 10 }, () => ({ type: 'a', data: { a: 'x'.repeat(250_000) } })),
  }

  const waiting = [
    ...[1, 2, 3].map(() => fixture.publisher.publish(request(many, { stream: 'many' }))),
    ...[1, 2, 3].map(() => fixture.publisher.publish(request([], { stream: 'large', ...large }))),
  ]
  await letGo()
  await Promise.all(waiting)

  t.equal(await commits(fixture.pool, 'many'), 2)
  t.equal(await commits(fixture.pool, 'large'), 3)
  t.ok(isDense(await logged(fixture.pool, 'many')))
})

t.test('a bad request fails as a whole, and the other requests of its batch are stored in order', async t => {
  const fixture = await startPublisher(t)
  const { letGo } = await holdUp(t, fixture)
  const { publisher } = fixture

  const waiting = [
    publisher.publish(request(['a'])),
    publisher.publish(request(['b', 'no type'])),
    publisher.publish(request(['c', 'd'])),
    publisher.publish(request(['e'], { workspace: 'no workspace' })),
    publisher.publish(request(['f'])),
    publisher.publish(request(['g'], { stream: 'other' })),
    publisher.publish(request([])),
  ]
  await letGo()

  t.strictSame(await Promise.all(waiting.map(result)), [
    '1',
    'invalid-event',
    '2,3',
    'invalid-event',
    '4',
    '1',
    'invalid-event',
  ])
  t.strictSame(await typesOf(fixture.pool), ['a', 'c', 'd', 'f'])
})

t.test('an invalid event is refused before it waits', async t => {
  const { pool, publisher } = await startPublisher(t)
  const published = (data: Record<string, unknown>, type = 'a') =>
    result(
      publisher.publish(
        request([], {
          events: [
            { type: 'fine', data: {} },
            { type, data },
          ],
        }),
      ),
    )

  t.equal(await published({}, 'heartbeat'), 'reserved-type')
  t.equal(await published({ a: 'x'.repeat(262_144) }), 'event-too-large')
  t.equal(
    await result(publisher.publish(request(['a'], { idempotencyKey: 'a b' }))),
    'invalid-idempotency-key',
  )
  t.equal(await result(publisher.publish(request(['a'], { idempotencyKey: '' }))), 'invalid-idempotency-key')
  t.strictSame(await logged(pool), [])
})

t.test('a closed stream refuses its requests, and the rest of the batch is stored', async t => {
  const fixture = await startPublisher(t)
  await fixture.pool.query(`select sluice.close_stream(sluice.ensure_stream('w', 'job'))`)
  const { letGo } = await holdUp(t, fixture)

  const waiting = ['feed', 'job', 'feed'].map(stream => fixture.publisher.publish(request(['a'], { stream })))
  await letGo()

  t.strictSame(await Promise.all(waiting.map(result)), ['1', 'stream-closed', '2'])
  await t.rejects(fixture.publisher.publish(request(['a'], { stream: 'job' })), {
    status: 409,
    code: 'stream-closed',
  })
})

t.test('an idempotency key makes a retried publish one event', async t => {
  const { pool, publisher, told } = await startPublisher(t)
  const once = request(['a', 'b'], { idempotencyKey: 'k' })

  const receipts = await Promise.all([1, 2, 3].map(() => publisher.publish(once)))
  const later = await publisher.publish(once)

  t.strictSame(
    [...receipts, later].map(receipt => receipt.replayed),
    [false, true, true, true],
  )
  for (const receipt of receipts) t.strictSame(receipt.events, later.events)
  t.equal((await logged(pool)).length, 2)
  t.equal(told.length, 1, 'a replay wakes nobody')
  for (const other of [
    request(['a'], { idempotencyKey: 'k' }),
    request(['a', 'b'], { idempotencyKey: 'k', stream: 'other' }),
    request([], { idempotencyKey: 'k', events: [{ type: 'a', data: { x: 1 } }] }),
  ]) {
    await t.rejects(publisher.publish(other), { status: 422, code: 'idempotency-key-reused' })
  }
  t.equal(await result(publisher.publish(request(['a', 'b'], { idempotencyKey: 'k', actor: 'you' }))), '3,4')
})

t.test('requests beyond the limit are refused, and waiting ones are stored', async t => {
  const fixture = await startPublisher(t)
  const { letGo } = await holdUp(t, fixture)

  const waiting = Array.from({ length: 10_000 }, () => result(fixture.publisher.publish(request(['a']))))
  await t.rejects(fixture.publisher.publish(request(['a'])), {
    status: 503,
    code: 'overloaded',
    members: { retry_after: 2 },
  })
  await letGo()

  t.equal(new Set(await Promise.all(waiting)).size, 10_000)
  t.ok(isDense(await logged(fixture.pool)))
})

t.test('bytes beyond the limit are refused, whatever the number of requests', async t => {
  const fixture = await startPublisher(t)
  const { letGo } = await holdUp(t, fixture)
  const large = request([], { events: [{ type: 'a', data: { a: 'x'.repeat(250_000) } }] })

  const waiting: Promise<string>[] = []
  for (let bytes = 0; bytes + 250_008 <= 32 * 1024 * 1024; bytes += 250_008) {
    waiting.push(result(fixture.publisher.publish(large)))
  }
  await t.rejects(fixture.publisher.publish(large), { code: 'overloaded' })
  waiting.push(result(fixture.publisher.publish(request(['small']))))
  await letGo()

  t.equal(new Set(await Promise.all(waiting)).size, 135, 'what is small still fitted')
})

t.test('a stream that a transaction keeps locked is busy, and other streams are not', async t => {
  const fixture = await startPublisher(t)
  const { inFlight, letGo } = await holdUp(t, fixture)

  const waiting = ['held', 'feed', 'held', 'other'].map(stream =>
    result(fixture.publisher.publish(request(['a'], { stream }))),
  )

  t.equal(await result(inFlight), 'stream-busy')
  t.strictSame(await Promise.all(waiting), ['stream-busy', '1', 'stream-busy', '1'])
  await letGo()
  t.equal(await result(fixture.publisher.publish(request(['b'], { stream: 'held' }))), '2')
})

t.test('a client disconnect withdraws a waiting request, but not one in flight', async t => {
  const fixture = await startPublisher(t)
  const { letGo } = await holdUp(t, fixture)
  const [gone, late] = [new AbortController(), new AbortController()]

  const waiting = fixture.publisher.publish(request(['gone']), gone.signal)
  gone.abort(new Error('left'))
  await t.rejects(waiting, { message: 'left' })
  await letGo()
  const stored = fixture.publisher.publish(request(['a']), late.signal)
  await until('the first event', async () => (await logged(fixture.pool)).length === 1)
  late.abort()

  t.equal(await result(stored), '1')
  await t.rejects(fixture.publisher.publish(request(['b']), AbortSignal.abort(new Error('left'))), {
    message: 'left',
  })
  t.strictSame(await typesOf(fixture.pool), ['a'])
})

t.test('closing refuses waiting requests and answers those in flight; closing twice is fine', async t => {
  const fixture = await startPublisher(t)
  const { inFlight, letGo } = await holdUp(t, fixture)
  const waiting = fixture.publisher.publish(request(['a']))

  const closed = fixture.publisher.close()
  await t.rejects(waiting, { status: 503, code: 'shutting-down' })
  await t.rejects(fixture.publisher.publish(request(['a'])), { code: 'shutting-down' })
  await letGo()
  await closed
  await fixture.publisher.close()

  t.equal(await result(inFlight), '2')
})

t.test('while the database is unreachable a publish fails as not stored', async t => {
  const pool = createPool('postgres://127.0.0.1:1/none', { max: 1, name: 'test', onError: () => undefined })
  t.teardown(() => pool.end())
  const told: unknown[] = []
  const publisher = new Publisher({ database: pool, onCommitted: streams => told.push(streams) })

  const refusals = await Promise.allSettled([1, 2, 3].map(() => publisher.publish(request(['a']))))

  for (const refusal of refusals) {
    t.match(refusal, {
      reason: {
        status: 503,
        code: 'database-unavailable',
        detail: /Nothing was stored/,
        members: { retry_after: 2 },
      },
    })
  }
  t.strictSame(told, [])
})

t.test('when a flush loses its connection, each caller gets an error with an unknown result', async t => {
  const fixture = await startPublisher(t)
  const { pool, publisher } = fixture
  const { inFlight, letGo } = await holdUp(t, fixture)
  const together = [1, 2].map(() => publisher.publish(request(['held'], { stream: 'held' })))
  const refusals = [inFlight, ...together].map(answer =>
    t.rejects(answer, {
      status: 503,
      code: 'database-unavailable',
      detail: /may or may not be stored.*Idempotency-Key/,
    }),
  )

  for (const _ of [inFlight, together]) {
    await until('one flush', async () => (await flushes(pool)).length === 1)
    await pool.query('select pg_terminate_backend($1, 10000)', await flushes(pool))
  }
  const next = publisher.publish(request(['a']))

  t.equal(await result(next), '1', 'the next flush takes another connection')
  await letGo()
  await Promise.all(refusals)
})

t.test('a fault of the gateway is not reported as a fault of the caller', async t => {
  const fixture = await startPublisher(t)
  await fixture.pool.query('alter table sluice.events rename column actor to author')

  await t.rejects(fixture.publisher.publish(request(['a'])), { code: '42703' })
  await fixture.pool.query('alter table sluice.events rename column author to actor')

  t.equal(await result(fixture.publisher.publish(request(['a']))), '1')
})
