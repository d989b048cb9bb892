/** Retention by the options of streams and workspaces: what it removes, and that it visits only streams that are due. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { eventSweep } from '../../../src/log/retention.js'
import { createDatabase } from '../../harness/database.js'
import { connect, streamRowsRead } from '../../harness/records.js'
import { until } from '../../harness/until.js'

t.test('options of a stream and of its workspace decide before the gateway', async t => {
  const { pool } = await createDatabase(t)
  for (const name of ['ws', 'age', 'long', 'number']) await publish(pool, name, 6)
  await configure(pool, { max_age_seconds: 86_400 })
  await configure(pool, { max_age_seconds: 3_600 }, 'age')
  await configure(pool, { max_age_seconds: 864_000 }, 'long')
  await configure(pool, { max_events: 2, max_age_seconds: 864_000 }, 'number')
  await age(pool, '2 hours')
  await sweep(pool)
  t.strictSame(await counts(pool), { ws: 6, age: 0, long: 6, number: 2 })

  await age(pool, '2 days')
  await publish(pool, 'ws', 1)
  await sweep(pool)

  t.strictSame(await counts(pool), { ws: 1, age: 0, long: 6, number: 2 })
})

t.test('a limit of events holds for existing streams and for new ones', async t => {
  const { pool } = await createDatabase(t)
  await publish(pool, 'first', 9)
  await sweep(pool)
  await configure(pool, { max_events: 4 })
  await sweep(pool)
  await publish(pool, 'later', 9)
  await configure(pool, { max_events: 7 }, 'own')
  await publish(pool, 'own', 9)
  await sweep(pool)

  t.strictSame(await counts(pool), { first: 4, later: 4, own: 7 })
})

t.test('without options the gateway decides again, and nothing is left of them', async t => {
  const { pool } = await createDatabase(t)
  await publish(pool, 'kept', 3)
  await publish(pool, 'room', 3)
  await configure(pool, { max_age_seconds: 864_000 })
  await configure(pool, { max_age_seconds: 864_000 }, 'room')
  await age(pool, '2 days')
  await sweep(pool)
  t.strictSame(await counts(pool), { kept: 3, room: 3 })

  t.equal(await configure(pool, { max_age_seconds: null }), null)
  await configure(pool, { max_age_seconds: null }, 'room')
  await sweep(pool)
  await sweep(pool)

  t.strictSame(await counts(pool), { kept: 0, room: 0 })
  t.equal((await pool.query('select from sluice.workspaces')).rowCount, 0)
  t.equal((await pool.query('select from sluice.streams where own_retention')).rowCount, 0)
})

t.test('a sweep reads only streams that options make due', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`select sluice.append('w', 's' || n, 'a', '{}') from generate_series(1, 2000) n`)
  await pool.query(
    `select sluice.configure_stream('w', 's' || n, '{"max_age_seconds":3600}') from generate_series(1, 500) n`,
  )
  await configure(pool, { max_age_seconds: 3_600, max_events: 10 })
  await pool.query('analyze sluice.streams')
  await sweep(pool)
  const before = await streamRowsRead(pool)

  await sweep(pool)

  const rows = (await streamRowsRead(pool)) - before
  t.ok(rows < 100, `${rows} rows of streams were read`)
})

for (const how of ['by options', 'by the gateway']) {
  t.test(`a sweep waits a little for a stream that is locked, ${how}`, async t => {
    const { pool } = await createDatabase(t)
    await publish(pool, 'locked', 6)
    await publish(pool, 'free', 6)
    if (how === 'by options') await configure(pool, { max_age_seconds: 3_600 })
    await age(pool, '2 days')
    const holder = await connect(t, pool)
    await holder.query(`begin; select from sluice.streams where name = 'locked' for update`)

    // Without options only the gateway removes anything, and with them nothing but the options.
    const swept = sweep(pool, how === 'by options' ? 0 : 1)
    await until('the sweep waits for the stream', async () => {
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rowCount === 1
    })
    await holder.query('rollback')

    t.equal(await swept, 12)
    t.strictSame(await counts(pool), { locked: 0, free: 0 })
  })
}

t.test('the events of a stream are counted again after as long as it has been idle', async t => {
  const { pool } = await createDatabase(t)
  for (const name of ['busy', 'quiet', 'idle']) await publish(pool, name, 1)
  await configure(pool, { max_events: 10 })
  await pool.query(`update sluice.events e set at = at - case s.name
      when 'busy' then interval '1 minute' when 'quiet' then interval '10 hours' else interval '9 days' end
    from sluice.streams s where s.id = e.stream_id`)

  await sweep(pool, 0)

  const { rows } = await pool.query(
    `select name, round(extract(epoch from look_at - now()) / 3600)::int as hours from sluice.streams order by name`,
  )
  t.strictSame(rows, [
    { name: 'busy', hours: 1 },
    { name: 'idle', hours: 24 },
    { name: 'quiet', hours: 10 },
  ])
})

async function publish(database: Database, stream: string, count: number): Promise<void> {
  await database.query(`select sluice.append('w', $1, 'a', '{}') from generate_series(1, $2)`, [
    stream,
    count,
  ])
}

async function configure(
  database: Database,
  options: Readonly<Record<string, number | null>>,
  stream?: string,
): Promise<unknown> {
  const text = JSON.stringify(options)
  const { rows } =
    stream === undefined
      ? await database.query(`select sluice.configure_workspace('w', $1) as options`, [text])
      : await database.query(`select sluice.configure_stream('w', $2, $1) as options`, [text, stream])
  return rows[0]?.options
}

/** Makes all events older, as if the sweeps had run meanwhile. */
async function age(database: Database, by: string): Promise<void> {
  await database.query('update sluice.events set at = at - $1::interval', [by])
  await database.query(
    `update sluice.streams set oldest_at = oldest_at - $1::interval, look_at = look_at - $1::interval`,
    [by],
  )
}

function sweep(database: Database, days = 1): Promise<number> {
  return eventSweep({ database, days: { feed: days } }).run(new AbortController().signal)
}

async function counts(database: Database): Promise<Record<string, number>> {
  const { rows } = await database.query<{ name: string; events: number }>(
    `select s.name, (select count(*) from sluice.events e where e.stream_id = s.id)::int as events
       from sluice.streams s where s.workspace = 'w'`,
  )
  return Object.fromEntries(rows.map(({ name, events }) => [name, events]))
}
