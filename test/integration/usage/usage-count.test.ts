/** What is counted, against sums over the log itself, after everything that adds to it, removes from it or changes it. */
import t from 'tap'
import type { Database, Queryable } from '../../../src/database/pool.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { UsageCount } from '../../../src/usage/usage-count.js'
import { countPart, readUsage, storeUsage, takeCount } from '../../../src/usage/usage-rows.js'
import { createDatabase } from '../../harness/database.js'
import { as, startGateway } from '../../harness/gateway.js'
import { silent } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

t.test('a count has what the log has, whatever has happened to it', async t => {
  const { pool } = await createDatabase(t)
  const count = new UsageCount({ database: pool, logger: silent })
  t.teardown(() => count.close())
  const publish = (stream: string, events: number, bytes = 10, workspace = 'acme') =>
    pool.query(
      `select sluice.publish($1, $2, 'thing.made', json_build_object('id', n % 7, 'x', repeat('x', $4)))
         from generate_series(1, $3) n`,
      [workspace, stream, events, bytes],
    )
  const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['nothing', async () => undefined],
    ['events', () => publish('feed', 9_000)],
    ['more of them', () => publish('feed', 500, 5_000)],
    ['another stream', () => publish('other', 3)],
    ['another workspace', () => publish('feed', 5, 1, 'other')],
    ['retention in a part', () => pool.query(`select sluice.retain('feed', '0 s', 100)`)],
    ['retention of parts', () => pool.query(`select sluice.retain('feed', '0 s', 5000)`)],
    ['growth after it', () => publish('feed', 20)],
    ['redaction', () => pool.query(`select sluice.redact('acme', 'feed', 9100, 'erased')`)],
    [
      'compaction',
      async () => {
        const { rows } = await pool.query(
          `select id from sluice.streams where name = 'feed' and workspace = 'acme'`,
        )
        await pool.query(`select sluice.set_compaction($1, 'data.id', '0 s')`, [rows[0].id])
        for (let more = true; more; )
          more = (await pool.query('select * from sluice.compact_due(5000)')).rows[0].more
      },
    ],
    ['a deleted stream', () => pool.query(`select sluice.delete_stream('acme', 'other')`)],
    ['everything removed', () => pool.query(`select sluice.retain('feed', '0 s', 100000)`)],
    ['a stream begins again', () => publish('feed', 2)],
  ]

  const found: unknown[] = []
  const expected: unknown[] = []
  for (const [step, act] of steps) {
    await act()
    await count.count()
    found.push([step, await counted(pool)])
    expected.push([step, await stored(pool)])
  }

  t.strictSame(found, expected)
})

t.test('a count and a redaction at the same time leave no outdated sum', async t => {
  const { pool } = await createDatabase(t)
  const count = new UsageCount({ database: pool, logger: silent })
  t.teardown(() => count.close())
  await pool.query(
    `select sluice.publish('acme', 's', 'a', json_build_object('x', repeat('x', 500))) from generate_series(1, 9000)`,
  )
  const client = await pool.connect()
  t.teardown(() => client.release(true))
  const redact = (on: Queryable, position: number) =>
    on.query(`select sluice.redact('acme', 's', ${position}, 'erased')`)

  await client.query('begin')
  await redact(client, 10)
  const meanwhile = await countPart(pool, 0, 10, 100_000)
  await client.query('commit')
  await count.count()
  const after = [await counted(pool), await stored(pool)]

  await pool.query('delete from sluice.usage_parts')
  await client.query('begin')
  await countPart(client, 0, 10, 100_000)
  const redacting = redact(pool, 20)
  await until('it waits', async () => {
    const { rows } = await pool.query(`
      select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`)
    return rows.length > 0
  })
  await client.query('commit')
  await redacting
  await count.count()

  t.equal(meanwhile.complete, false, 'it is repeated')
  const [found, expected] = after
  t.strictSame(found, expected)
  t.strictSame(await counted(pool), await stored(pool))
})

t.test('a count in many small calls has the same result', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`select sluice.publish('acme', 's' || n % 5, 'a', '{}') from generate_series(1, 30000) n`)
  let [calls, after, events]: [number, number | null, number] = [0, 0, 0]

  while (after !== null) {
    const part = await countPart(pool, after, 2, 1_000)
    calls += 1
    if (!part.complete) continue
    for (const sums of JSON.parse(part.totals ?? '[]')) events += sums.events
    after = part.upTo
  }

  t.ok(calls > 5, `${calls} calls`)
  t.equal(events, 30_000)
  const { rows } = await pool.query(`
    select (select sum(bytes) from sluice.usage_parts) =
           (select sum(pg_column_size(data)) from sluice.events) as same`)
  t.ok(rows[0].same)
})

t.test('a count writes the sums that have changed, and its time for all', async t => {
  const { pool } = await createDatabase(t)
  const store = (events: Record<string, number[]>, at: number) => {
    const totals = Object.entries(events).flatMap(([workspace, sums]) =>
      sums.map(sum => ({ workspace, streams: 1, jobs: 0, events: sum, bytes: 2 * sum })),
    )
    return storeUsage(pool, JSON.stringify(totals), new Date(at))
  }
  const versions = async () =>
    Object.fromEntries(
      (await pool.query('select workspace, xmin::text from sluice.usage')).rows.map(Object.values),
    )
  const now = Date.now()
  const usage = async (workspace: string) => {
    const read = await inWorkspace(pool, workspace, client => readUsage(client, workspace))
    const { countedAt, ageMs, ...found } = read ?? {}
    return { ...found, at: countedAt ? Number(countedAt) - now : null }
  }

  await store({ grown: [1, 2], same: [3, 4], gone: [5] }, now - 5_000)
  const before = await versions()
  await store({ grown: [1, 3], same: [4, 3] }, now - 4_000)
  const after = await versions()
  const found = [await usage('grown'), await usage('same'), await usage('gone')]
  await store({ grown: [9] }, now - 4_500)

  const sums = (events: number) => ({ streams: 2, jobs: 0, events, bytes: 2 * events, at: -4_000 })
  t.strictSame(found, [sums(4), sums(7), { streams: 0, jobs: 0, events: 0, bytes: 0, at: null }])
  t.equal(after.same, before.same)
  t.not(after.grown, before.grown)
  t.strictSame(await usage('grown'), sums(4), 'the result of an earlier count comes too late')

  await store({ grown: [1] }, now + 3_600_000)
  await store({ grown: [2] }, now)
  t.match(await usage('grown'), { events: 2, at: 0 }, 'the clock was ahead')

  await store({ grown: [2] }, now + 59_000)
  const young = await versions()
  await store({ grown: [2] }, now + 61_000)
  t.not((await versions()).grown, young.grown, 'gateways of the version before read the time in the row')
})

t.test('one process counts at a time, and another one a minute after its last sign of life', async t => {
  const { pool } = await createDatabase(t)
  const [one, other] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002']

  const taken = [await takeCount(pool, one), await takeCount(pool, other), await takeCount(pool, one)]
  await pool.query(`update sluice.usage_counter set alive_at = alive_at - interval '61 seconds'`)
  taken.push(await takeCount(pool, other), await takeCount(pool, one))

  t.strictSame(taken, [true, false, true, true, false])
})

t.test('admins see the usage of their workspace, and operators that of every one', async t => {
  const gateway = await startGateway(t, {
    env: { OPERATOR_WORKSPACE: 'operators', MAX_EVENTS_PER_WORKSPACE: '500', MAX_JOBS_PER_WORKSPACE: '9' },
  })
  const { database, usageCount } = gateway.app
  const ask = async (role: 'admin' | 'editor', workspace: string, query = '') => {
    const response = await fetch(`${gateway.url}/api/usage${query}`, { headers: as(role, workspace) })
    return { status: response.status, body: JSON.parse(await response.text()) }
  }
  const before = await ask('admin', 'acme')
  await database.query(`select sluice.publish('acme', 's' || n, 'a', '{}') from generate_series(1, 3) n`)
  await usageCount.count()

  const own = await ask('admin', 'acme')

  t.match(before, { status: 200, body: { events: 0, counted_at: null } })
  t.match(own, {
    status: 200,
    body: {
      workspace: 'acme',
      streams: 3,
      jobs: 0,
      events: 3,
      bytes: 9,
      counted_at: /Z$/,
      limits: { events: 500, bytes: null, jobs: 9, streams: 10_000, events_per_minute: null },
    },
  })
  t.match(await ask('admin', 'operators', '?workspace=acme'), { status: 200, body: { events: 3 } })
  t.match(await ask('admin', 'operators', '?workspace=%00'), { status: 400 })
  t.match(await ask('admin', 'other', '?workspace=acme'), { status: 403, body: { code: 'operators-only' } })
  t.match(await ask('admin', 'other'), { status: 200, body: { workspace: 'other', events: 0 } })
  t.equal((await ask('editor', 'acme')).status, 403)
})

async function counted(pool: Database) {
  const { rows } = await pool.query(
    'select workspace, streams, jobs, events, bytes from sluice.usage order by workspace',
  )
  return rows
}

async function stored(pool: Database) {
  const { rows } = await pool.query(`
    select s.workspace, count(distinct s.id) as streams, 0 as jobs, count(e.*) as events,
           coalesce(sum(pg_column_size(e.data) + coalesce(pg_column_size(e.attributes), 0)), 0) as bytes
      from sluice.streams s left join sluice.events e on e.stream_id = s.id
     where s.workspace <> '$system' group by s.workspace order by s.workspace`)
  return rows.map(({ jobs, ...row }) => ({ ...row, jobs: Number(jobs) }))
}
