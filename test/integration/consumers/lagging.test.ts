/** A consumer that is far behind, or that retention has passed, is reported once, until it has caught up. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Claim, ConsumerId } from '../../../src/consumers/consumer.js'
import { resetConsumer } from '../../../src/consumers/consumer-losses.js'
import { moveCursors } from '../../../src/consumers/cursor-rows.js'
import { LagWatch } from '../../../src/consumers/lag-watch.js'
import { ensureStream, readHead } from '../../../src/log/log.js'
import { type ConsumerStore, startStore, WORKSPACE } from './rows.js'

const silent = { info() {}, warn() {}, error() {}, debug() {}, fatal() {}, trace() {} }

t.test('a consumer lags while its first unacknowledged event is too old, and is reported once', async t => {
  const store = await start(t, 3)
  const { create, claim, age, watch, reports, audit, at } = store
  const behind = await create({ name: 'behind' })
  await create({ name: 'current', cursor: at(3) })
  await create({ name: 'hook', kind: 'webhook' })

  await watch.look()
  const before = await reports()
  await age(3, 3_700)
  await watch.look()
  await watch.look()
  const lagging = await reports()
  const holding = await claim(behind.id)
  await moveCursors(store.pool, [{ ...held(holding), ...at(3) }])
  await watch.look()
  await store.publish()
  await age(9, 3_700)
  await watch.look()
  const again = await reports()

  t.same(before, [])
  t.match(
    lagging.sort((one, other) => (one.consumer < other.consumer ? -1 : 1)),
    [
      { consumer: 'behind', kind: 'pull', stream: 'feed', lag_events: 3, lost: false },
      { consumer: 'hook', kind: 'webhook', stream: 'feed', lag_events: 3, lost: false },
    ],
  )
  t.ok(lagging.every(({ lag_seconds: seconds }) => seconds >= 3_700 && seconds < 7_200))
  t.same(
    again
      .slice(2)
      .map(({ consumer }) => consumer)
      .sort(),
    ['behind', 'current'],
    'after it has caught up it is reported again',
  )
  const recorded = await audit()
  t.equal(recorded.length, 4)
  t.match(recorded[0], {
    action: 'consumer.lagging',
    principal: null,
    details: { lag_events: 3, lost: false },
  })
  t.same(watch.figures, {
    counts: {
      pull: { held: 1, free: 1, lagging: 2 },
      webhook: { held: 0, free: 1, lagging: 1 },
    },
    maxLagSeconds: watch.figures?.maxLagSeconds,
  })
  t.ok((watch.figures?.maxLagSeconds ?? 0) > 3_600)
})

t.test('a consumer that varies around the limit is not reported again before it has caught up', async t => {
  const { create, age, watch, reports } = await start(t, 1)
  await create()
  await age(1, 3_601)
  await watch.look()

  await age(1, 3_000)
  await watch.look()
  await age(1, 3_700)
  await watch.look()
  const varied = await reports()
  await age(1, 100)
  await watch.look()
  await age(1, 3_700)
  await watch.look()

  t.equal(varied.length, 1)
  t.equal((await reports()).length, 2)
})

t.test(
  'a consumer is reported before retention by number or age removes its next event, and after',
  async t => {
    const { pool, streamId, create, age, watch, reports, at } = await start(t, 10, { retentionDays: 0.01 })
    await create({ name: 'near', cursor: at(1) })
    await create({ name: 'far', cursor: at(5) })

    await watch.look()
    await pool.query(`update sluice.streams set options = '{"max_events": 10}'`)
    await watch.look()
    const byNumber = await reports()
    await pool.query('update sluice.streams set options = null')
    await age(10, 0.85 * 864)
    await watch.look()
    const byAge = await reports()
    await pool.query('delete from sluice.events where stream_id = $1 and position <= 6', [streamId])
    await pool.query('update sluice.streams set base_position = 6 where id = $1', [streamId])
    await watch.look()
    await watch.look()

    t.same(
      byNumber.map(({ consumer, lost }) => [consumer, lost]),
      [['near', false]],
    )
    t.same(
      byAge.slice(1).map(({ consumer, lost }) => [consumer, lost]),
      [['far', false]],
    )
    t.same(
      (await reports())
        .slice(2)
        .map(({ consumer, lost }) => [consumer, lost])
        .sort(),
      [
        ['far', true],
        ['near', true],
      ],
    )
  },
)

t.test('a loss that the holder meets first is reported once, and again only after the next loss', async t => {
  const { pool, streamId, create, claim, watch, reports, audit, at } = await start(t, 6)
  const { id } = await create({ name: 'billing' })
  const holding = held(await claim(id))
  const lose = async (position: number) => {
    await pool.query('delete from sluice.events where stream_id = $1 and position <= $2', [
      streamId,
      position,
    ])
    await pool.query('update sluice.streams set base_position = $2 where id = $1', [streamId, position])
  }
  await lose(2)

  const reset = await resetConsumer(pool, holding, streamId, at(3))
  await watch.look()
  await resetConsumer(pool, holding, streamId, at(3))
  const first = await reports()
  await moveCursors(pool, [{ ...holding, ...at(3) }])
  await watch.look()
  await lose(5)
  await watch.look()
  const second = await reports()
  const stale = await resetConsumer(pool, { ...holding, id: randomUUID() as ConsumerId }, streamId, at(3))

  t.match(reset, { cursor: at(0), reset: { to: at(3) } })
  t.equal(first.length, 1)
  t.match(first, [{ consumer: 'billing', lag_events: 6, lost: true }])
  t.match(second.slice(1), [{ consumer: 'billing', lost: true }])
  t.equal((await audit()).length, 2)
  t.equal(stale, undefined)
})

t.test('a loss of history is reported once while its reset waits', async t => {
  const { pool, streamId, create, claim, watch, reports, at } = await start(t, 3)
  const { id } = await create({ cursor: { ...at(3), eventId: randomUUID() } })
  const holding = held(await claim(id))

  await resetConsumer(pool, holding, streamId, at(1))
  await watch.look()
  await resetConsumer(pool, holding, streamId, at(1))

  t.match(await reports(), { length: 1, 0: { lost: true } })
})

t.test('several processes that look at once report it once', async t => {
  const { create, age, watch, other, reports, audit } = await start(t, 2)
  for (let n = 0; n < 5; n += 1) await create()
  await age(2, 3_700)

  await Promise.all([watch.look(), other.look(), watch.look()])

  t.equal((await reports()).length, 5)
  t.equal((await audit()).length, 5)
})

t.test('a feed that another transaction keeps locked holds up no other workspace', async t => {
  const { pool, streamId, create, age, watch, reports } = await start(t, 1)
  await create({ name: 'locked' })
  const elsewhere = await ensureStream(pool, 'globex', 'feed')
  await pool.query(`select sluice.append('globex', 'feed', 'thing.made', '{}')`)
  const cursor = { ...(await readHead(pool, elsewhere)), position: 0 as never }
  await create({ name: 'free', streamId: elsewhere, cursor }, 'globex')
  await age(1, 3_700)
  const blocker = await pool.connect()
  await blocker.query('begin')
  await blocker.query('select from sluice.streams where id = $1 for update', [streamId])

  const failed = watch.look()
  await t.rejects(failed, { code: '55P03' })
  const meanwhile = await reports()
  await blocker.query('rollback')
  blocker.release()
  await watch.look()

  t.same(
    meanwhile.map(({ consumer }) => consumer),
    ['free'],
  )
  t.same((await reports()).map(({ consumer }) => consumer).sort(), ['free', 'locked'])
})

t.test('the empty stream of a consumer counts as used', async t => {
  const { pool, create, watch } = await start(t)
  const rooms = ['kept', 'other'].map(name => ensureStream(pool, WORKSPACE, name))
  const [kept, other] = await Promise.all(rooms)
  if (kept === undefined || other === undefined) throw new Error('A stream is missing.')
  await create({ stream: 'kept', streamId: kept })
  await pool.query(`update sluice.streams set used_at = now() - interval '3 days'`)

  await watch.look()

  const { rows } = await pool.query(
    `select name from sluice.streams where used_at > now() - interval '1 hour' order by name`,
  )
  t.same(rows, [{ name: 'kept' }])
})

interface Report {
  readonly consumer: string
  readonly lost: boolean
  readonly lag_seconds: number
}

async function start(t: Test, events = 0, { retentionDays = 0 } = {}) {
  const store = await startStore(t, events)
  const { pool } = store
  const options = {
    database: pool,
    logger: silent,
    warningSeconds: 3_600,
    retentionDays,
    paused: () => false,
  }
  return {
    ...store,
    watch: new LagWatch(options),
    other: new LagWatch(options),
    /** Makes the first events this old. */
    age: (count: number, seconds: number) =>
      pool.query(
        `update sluice.events set at = clock_timestamp() - $2 * interval '1 s' where "position" <= $1`,
        [count, seconds],
      ),
    reports: async (): Promise<Report[]> => {
      const { rows } = await pool.query<{ data: string }>(
        `select data from sluice.events where type = 'consumer.lagging' order by stream_id, "position"`,
      )
      return rows.map(({ data }) => JSON.parse(data))
    },
    audit: async () => {
      const { rows } = await pool.query<{ action: string; details: string }>(
        `select action, principal, details from sluice.audit order by at`,
      )
      return rows.map(({ details, ...row }) => ({ ...row, details: JSON.parse(details) }))
    },
  }
}

function held(consumer: Awaited<ReturnType<ConsumerStore['claim']>>): Claim {
  if (!consumer) throw new Error('The consumer was not claimed.')
  return consumer
}
