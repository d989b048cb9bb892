/** Times that the clock of the server has written while it was an hour ahead, once it is right again. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { holdLease } from '../../../src/database/lease.js'
import { type Database, inTransaction, type Queryable } from '../../../src/database/pool.js'
import { createDatabase } from '../../harness/database.js'
import { until } from '../../harness/until.js'

const AHEAD = `now() + interval '1 hour'`
/** Less than twice a lease of a minute ahead: it may be free soon, and its holder may live. */
const NEAR = AHEAD.replace('1 hour', '119 s')
const PAST = AHEAD.replace('1 hour', '-1 s')

t.test('what ended while the clock was ahead holds nothing until the clock gets there', async t => {
  const { pool } = await createDatabase(t)

  await t.test('consumers', t => consumersAreFree(t, pool))
  await t.test('a client that waits for a consumer', t => waitsForConsumer(t, pool))
  await t.test('durable subscriptions', t => subscriptionsAreFree(t, pool))
  await t.test('a worker that waits for a subscription', t => waitsForSubscription(t, pool))
  await t.test('jobs', t => jobsAreFree(t, pool))
  await t.test('the work of one process', t => workIsFree(t, pool))
  await t.test('processes', t => processesAreGone(t, pool))
})

const CLAIM_CONSUMER = `select from sluice.claim_consumers($1, $2, 'ada', case $1 when 'pull' then
  array(select id from sluice.consumers where kind = 'pull') end, 9, $3, false)`
const CLAIM_SUBSCRIPTION = `select outcome from sluice.claim_durable_subscription('acme', 's', $1)`

async function consumersAreFree(t: Test, pool: Database): Promise<void> {
  const [first, second] = [randomUUID(), randomUUID()]
  await pool.query(
    `insert into sluice.consumers (id, workspace, kind, name, stream, stream_id, ack_timeout_ms, max_in_flight, cursor_position,
       cursor_event_id, created_by)
     select gen_random_uuid(), 'acme', k, k, 'feed', 1, 30000, 1, 0, gen_random_uuid(), 'ada' from unnest('{pull,webhook}'::text[]) k`,
  )
  const claim = async (node: string, kind: string) =>
    (await pool.query(CLAIM_CONSUMER, [kind, node, 60_000])).rowCount
  const set = (kind: string, until: string) =>
    pool.query(`update sluice.consumers set lease_until = ${until} where kind = $1`, [kind])
  const isShort = async (kind: string) => {
    const text = `select lease_until <= clock_timestamp() + interval '1 minute' as short from sluice.consumers where kind = $1`
    return (await pool.query(text, [kind])).rows[0]?.short
  }

  for (const kind of ['pull', 'webhook']) {
    t.strictSame(
      [await claim(first, kind), await claim(second, kind)],
      [1, 0],
      `the first one has the ${kind}`,
    )
    await set(kind, NEAR)
    t.strictSame([await claim(second, kind), await isShort(kind)], [0, false])
    await set(kind, AHEAD)
    t.strictSame([await claim(second, kind), await isShort(kind)], [0, true], 'a holder that lives renews it')
    await set(kind, PAST)
    t.strictSame([await claim(second, kind), await claim(first, kind)], [1, 0], 'else the second one has it')
  }
}

async function waitsForConsumer(t: Test, pool: Database): Promise<void> {
  await pool.query(
    `update sluice.consumers set lease_until = ${AHEAD}, holder = 'first', epoch = 7 where kind = 'pull'`,
  )
  const { rowCount } = await afterWait(pool, [CLAIM_CONSUMER, ['pull', randomUUID(), 10_000]], client =>
    client.query(
      `select sluice.hand_out(array[id], array[epoch], array[1], array[gen_random_uuid()], array[1], ack_timeout_ms)
       from sluice.consumers where kind = 'pull'`,
    ),
  )
  t.equal(rowCount, 0)
  const { rows } = await pool.query(`select holder, epoch::int from sluice.consumers where kind = 'pull'`)
  t.strictSame(rows, [{ holder: 'first', epoch: 7 }], 'the first one has renewed it meanwhile')
}

async function subscriptionsAreFree(t: Test, pool: Database): Promise<void> {
  await pool.query(
    `select sluice.create_durable_subscription('acme', 's', 'pull-wake', null, null, null, 'x', null, null, 'w', 'x', 60000, null, 'me', 9)`,
  )
  const held = `update sluice.durable_subscriptions set holder = 'first', wake_id = 'w', generation = 1,
    lease_until = ${AHEAD}, due_at = ${AHEAD}`
  const claim = async () => (await pool.query(CLAIM_SUBSCRIPTION, ['second'])).rows[0]?.outcome
  const isShort = async () => {
    const { rows } = await pool.query(
      `select lease_until <= clock_timestamp() + interval '1 minute' as short, lease_until = due_at as due from sluice.durable_subscriptions`,
    )
    return rows[0]
  }

  await pool.query(held.replaceAll(AHEAD, NEAR))
  t.strictSame([await claim(), await isShort()], ['held', { short: false, due: true }])
  await pool.query(held)
  t.strictSame([await claim(), await isShort()], ['held', { short: true, due: true }], 'its holder may live')
  await pool.query(held.replaceAll(AHEAD, PAST))
  t.equal(await claim(), 'idle', 'it may claim, and there is no work')

  await pool.query(held)
  await pool.query('select from sluice.take_durable_wake(true)')
  t.strictSame(await isShort(), { short: true, due: true }, 'somebody looks at it when its lease ends')
}

async function waitsForSubscription(t: Test, pool: Database): Promise<void> {
  await pool.query(
    `update sluice.durable_subscriptions set wake_id = 'w', holder = null, lease_until = null, due_at = null`,
  )
  const { rows } = await afterWait(pool, [CLAIM_SUBSCRIPTION, ['second']], client =>
    client.query(CLAIM_SUBSCRIPTION, ['first']),
  )
  t.equal(rows[0]?.outcome, 'held', 'the clock is read after the lock')
}

/** @returns the result of `statement`, which waits for a transaction in which `act` is done after it has begun to wait. */
async function afterWait(
  pool: Database,
  [text, values]: readonly [string, unknown[]],
  act: (client: Queryable) => Promise<unknown>,
) {
  return await inTransaction(pool, async client => {
    await client.query('select from sluice.consumers for update')
    await client.query('select from sluice.durable_subscriptions for update')
    const waiting = pool.query(text, values)
    await until('it waits', async () => {
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%sluice.claim%'`,
      )
      return rowCount === 1
    })
    await act(client)
    return { waiting }
  }).then(({ waiting }) => waiting)
}

async function jobsAreFree(t: Test, pool: Database): Promise<void> {
  await pool.query(`select sluice.create_job('acme', 'command', null, null, '{}', 0, 3, null, false, 'ann')`)
  await pool.query(`select sluice.claim_job('acme', null, null, 'r', 5000, 'ann')`)
  await pool.query(`update sluice.jobs set lease_expires_at = ${AHEAD}`)

  t.equal((await pool.query('select from sluice.expire_lease()')).rowCount, 0, 'its runner may renew it')

  const { rows } = await pool.query(
    `select status, lease_expires_at <= clock_timestamp() + interval '5 minutes' as ends from sluice.jobs`,
  )
  t.strictSame(rows, [{ status: 'running', ends: true }])
}

async function workIsFree(t: Test, pool: Database): Promise<void> {
  const [first, second] = [randomUUID(), randomUUID()]
  const count = async (node: string) =>
    (await pool.query('select sluice.take_usage_count($1) as takes', [node])).rows[0]?.takes

  t.strictSame(
    [await holdLease(pool, 'w', first, 60_000), await holdLease(pool, 'w', second, 60_000)],
    [true, false],
  )
  t.strictSame([await count(first), await count(second)], [true, false])
  for (const [until, isShort] of [
    [NEAR, false],
    [AHEAD, true],
  ] as const) {
    await pool.query(`update sluice.leases set until = ${until}`)
    await pool.query(`update sluice.usage_counter set alive_at = ${until} - interval '1 minute'`)
    t.strictSame([await holdLease(pool, 'w', second, 60_000), await count(second)], [false, false])
    const { rows } = await pool.query(
      `select l.until <= clock_timestamp() + interval '1 minute' as lease, c.alive_at <= clock_timestamp() as counter
       from sluice.leases l, sluice.usage_counter c`,
    )
    t.strictSame(rows, [{ lease: isShort, counter: isShort }], 'its holder may live')
  }
  t.strictSame([await holdLease(pool, 'w', first, 60_000), await count(first)], [true, true], 'and renews it')
  await pool.query(`update sluice.leases set until = ${PAST}`)
  await pool.query(`update sluice.usage_counter set alive_at = ${PAST} - interval '1 minute'`)
  t.strictSame(
    [await holdLease(pool, 'w', second, 60_000), await holdLease(pool, 'w', first, 60_000)],
    [true, false],
  )
  t.strictSame([await count(second), await count(first)], [true, false])
}

async function processesAreGone(t: Test, pool: Database): Promise<void> {
  const [dead, alive] = [randomUUID(), randomUUID()]
  const row = JSON.stringify({ name: 'n', version: 'v', mode: 'normal', uptime_ms: 1, lag_ms: 0, clients: 0 })
  const more = { clients_by_kind: {}, streams: 0, streams_left_out: 0, bus: 'up', event_loop_delay_ms: 0 }
  const figures = JSON.stringify({ ...JSON.parse(row), ...more })
  const beat = (node: string) =>
    pool.query(`select from sluice.heartbeat($1, $2, true, '{}', '{}')`, [node, figures])
  await beat(dead)
  await pool.query('select from sluice.join_deliverers($1, 10000)', [dead])
  for (const [ahead, later] of [
    ['9 s', 2],
    ['1 hour', 0],
  ] as const) {
    await pool.query(`update sluice.nodes set heartbeat_at = clock_timestamp() + $2 where id = $1`, [
      dead,
      ahead,
    ])
    await pool.query(`update sluice.deliverers set alive_at = clock_timestamp() + $2 where node = $1`, [
      dead,
      ahead,
    ])

    await beat(alive)
    await pool.query('select from sluice.join_deliverers($1, 10000)', [alive])

    const { rowCount } = await pool.query(
      `select 1 from sluice.nodes where heartbeat_at > clock_timestamp()
       union all select 2 from sluice.deliverers where alive_at > clock_timestamp()`,
    )
    t.equal(rowCount, later, 'it counts as gone within twice the usual time')
  }
  t.equal((await pool.query('select from sluice.deliverers')).rowCount, 2)
}
