import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { findStream, readBounds, readPage } from '../../../src/log/log.js'
import { eventSweep, idempotencyKeySweep } from '../../../src/log/retention.js'
import { retainDue, retainStream } from '../../../src/log/stored-streams.js'
import { createDatabase } from '../../harness/database.js'
import { connect, isDense, logged } from '../../harness/records.js'
import { until } from '../../harness/until.js'

/** Events of a feed, the first `old` of which are two days old. */
async function fill(database: Database, stream: string, old: number, young: number): Promise<StreamId> {
  await database.query(`select sluice.append('w', $1, 'a', '{}') from generate_series(1, $2)`, [
    stream,
    old + young,
  ])
  const id = (await findStream(database, 'w', stream))?.id
  if (id === undefined) throw new Error('The stream is missing.')
  await database.query(
    `update sluice.events set at = at - interval '2 days' where stream_id = $1 and "position" <= $2`,
    [id, old],
  )
  await database.query(`update sluice.streams set oldest_at = oldest_at - interval '2 days' where id = $1`, [
    id,
  ])
  return id
}

const retain = async (database: Database, atMost = 100, keep = '1 day', kind = 'feed') => {
  const { rows } = await database.query<{ removed: number }>('select sluice.retain($1, $2, $3) as removed', [
    kind,
    keep,
    atMost,
  ])
  return rows[0]?.removed
}

t.test('the oldest events go in batches, and the base follows them', async t => {
  const { pool } = await createDatabase(t)
  const id = await fill(pool, 'feed', 7, 3)
  const before = await logged(pool)

  t.equal(await retain(pool, 5), 5)
  t.strictSame((await readBounds(pool, id))?.base, { position: 5, eventId: before[4]?.eventId })
  t.equal(await retain(pool, 5), 2)
  t.equal(await retain(pool, 5), 0)

  const rows = await logged(pool)
  t.equal(rows.length, 3)
  t.ok(isDense(rows, 8))
  t.strictSame(await readBounds(pool, id), {
    base: { position: 7, eventId: before[6]?.eventId },
    head: { position: 10, eventId: before[9]?.eventId },
  })
})

t.test('a stream whose events have all been removed continues at its base', async t => {
  const { pool } = await createDatabase(t)
  const id = await fill(pool, 'feed', 4, 0)
  const last = (await logged(pool)).at(-1)

  t.equal(await retain(pool), 4)
  const head = { position: 4, eventId: last?.eventId }
  t.strictSame(await readBounds(pool, id), { base: head, head })
  const { rows } = await pool.query(`select "position", at from sluice.append('w', 'feed', 'b', '{}')`)

  t.equal(rows[0].position, 5)
  t.strictSame(
    (await readPage(pool, id, 0 as Position, 10, 1_000)).events.map(event => event.position),
    [5],
  )
})

t.test('streams of another kind, and young events behind which older ones stand, stay', async t => {
  const { pool } = await createDatabase(t)
  await pool.query(`select sluice.ensure_stream('w', 'job', 'job')`)
  await fill(pool, 'job', 3, 0)
  const feed = await fill(pool, 'feed', 0, 3)
  // A clock that ran backwards cannot make this: times are monotone. A gap must not come of it even so.
  await pool.query(
    `update sluice.events set at = at - interval '9 days' where stream_id = $1 and "position" = 2`,
    [feed],
  )

  t.equal(await retain(pool), 0)

  t.equal((await logged(pool, 'job')).length, 3)
  t.equal((await logged(pool)).length, 3)
})

t.test('one batch handles each of its streams as if it were alone', async t => {
  const { pool } = await createDatabase(t)
  const ids = {
    some: await fill(pool, 'some', 7, 3),
    all: await fill(pool, 'all', 4, 0),
    young: await fill(pool, 'young', 0, 2),
    many: await fill(pool, 'many', 30, 1),
    behind: await fill(pool, 'behind', 1, 3),
  }
  await pool.query(
    `update sluice.events set at = at - interval '9 days' where stream_id = $1 and "position" = 3`,
    [ids.behind],
  )
  await pool.query(`select sluice.ensure_stream('w', name) from unnest(array['unused', 'used']) name`)
  await pool.query(
    `update sluice.streams set oldest_at = now() - interval '2 days',
            used_at = now() - case name when 'unused' then interval '3 days' else interval '1 day' end
      where name in ('unused', 'used', 'young')`,
  )
  const before = new Map<string, string | undefined>()
  for (const name of ['some', 'all', 'many', 'behind']) {
    const events = await logged(pool, name)
    before.set(name, events[{ some: 6, all: 3, many: 24, behind: 0 }[name] ?? 0]?.eventId)
  }

  // Seven streams, so five of each and then the rest of the budget for those that have more.
  t.equal(await retain(pool, 37), 37)

  const { rows } = await pool.query(
    `select s.name, s.base_position as base, s.base_event_id as id, s.base_at < now() - interval '1 day' as expired,
            s.oldest_at >= now() - interval '1 day' as done, min(e."position") as first, count(e)::int as left
       from sluice.streams s left join sluice.events e on e.stream_id = s.id
      where s.name <> 'feed' group by s.id order by s.name`,
  )
  t.strictSame(
    rows.map(row => ({ ...row, id: row.id === before.get(row.name) })),
    [
      { name: 'all', base: 4, id: true, expired: true, done: true, first: null, left: 0 },
      { name: 'behind', base: 1, id: true, expired: true, done: true, first: 2, left: 3 },
      { name: 'many', base: 25, id: true, expired: true, done: false, first: 26, left: 6 },
      { name: 'some', base: 7, id: true, expired: true, done: true, first: 8, left: 3 },
      { name: 'used', base: 0, id: false, expired: null, done: true, first: null, left: 0 },
      { name: 'young', base: 0, id: false, expired: null, done: true, first: 1, left: 2 },
    ],
  )
})

t.test('a sweep continues where its last batch began, and reads no stream before it again', async t => {
  const { pool } = await createDatabase(t)
  for (const name of ['first', 'second', 'third']) await fill(pool, name, 6, 0)
  const { rows } = await pool.query<{ oldest: string }>(
    `select oldest_at::text as oldest from sluice.streams where name = 'second'`,
  )

  const batch = await retainDue(pool, 'feed', 1, 6, rows[0]?.oldest)

  t.match(batch, { removed: 6, more: true, after: rows[0]?.oldest })
  t.equal((await logged(pool, 'first')).length, 6)
  t.match(await retainDue(pool, 'feed', 1, 100, batch.after), { removed: 6, more: false })
  t.equal((await logged(pool, 'first')).length, 6)
  t.equal(await retain(pool), 6)
})

t.test('one process at a time removes events, others pass on', async t => {
  const { pool } = await createDatabase(t)
  const other = await connect(t, pool)
  await fill(pool, 'feed', 3, 0)
  await other.query('begin')
  await other.query(`select sluice.retain('feed', '1 day', 1)`)

  t.equal(await retain(pool), 0)
  await other.query('commit')

  t.equal(await retain(pool), 2)
})

t.test('writers and readers at the same time find no gap', async t => {
  const { pool } = await createDatabase(t)
  const id = await fill(pool, 'feed', 300, 0)
  const writers = Array.from({ length: 3 }, async () => {
    for (let turn = 0; turn < 50; turn += 1) await pool.query(`select sluice.append('w', 'feed', 'b', '{}')`)
  })
  let busy = true
  const work = Promise.all([...writers, untilNothing(() => retainStream(pool, id, 1, 20))]).finally(() => {
    busy = false
  })

  while (busy) {
    const { rows } = await pool.query(
      `select s.base_position as base, array_agg(e."position" order by e."position") as positions
         from sluice.streams s join sluice.events e on e.stream_id = s.id where s.id = $1 group by s.id`,
      [id],
    )
    for (const { base, positions } of rows) {
      const places = positions.map((position: string | number) => ({ position: Number(position) }))
      t.ok(isDense(places, base + 1), `from ${base + 1}`)
    }
  }
  await work

  t.ok(isDense(await logged(pool), 301))
  t.equal((await logged(pool)).length, 150)
})

t.test('an invalid duration or batch size is refused', async t => {
  const { pool } = await createDatabase(t)

  for (const [keep, atMost] of [
    [null, 1],
    ['-1 day', 1],
    ['1 day', 0],
    ['1 day', null],
  ]) {
    await t.rejects(pool.query(`select sluice.retain('feed', $1, $2)`, [keep, atMost]), { code: '22023' })
  }
})

t.test('the sweeps remove everything that has expired, and keys after a day', async t => {
  const { pool } = await createDatabase(t)
  await fill(pool, 'feed', 5_100, 2)
  await fill(pool, 'other', 3, 0)
  await pool.query(`
    insert into sluice.idempotency_keys (workspace, actor, key, fingerprint, created_at)
    values ('w', 'me', 'old', '', now() - interval '25 hours'), ('w', 'me', 'new', '', now())`)

  const { signal } = new AbortController()
  const removed = await eventSweep({ database: pool, days: { feed: 1 } }).run(signal)
  t.equal(await idempotencyKeySweep(pool).run(signal), 1)

  t.equal(removed, 5_103)
  t.equal((await logged(pool)).length, 2)
  t.strictSame((await pool.query('select key from sluice.idempotency_keys')).rows, [{ key: 'new' }])
})

t.test('0 days keep events for ever', async t => {
  const { pool } = await createDatabase(t)
  await fill(pool, 'feed', 3, 0)

  t.equal(await eventSweep({ database: pool, days: { feed: 0 } }).run(new AbortController().signal), 0)

  t.equal((await logged(pool)).length, 3)
})

t.test(
  'a sweep that is aborted ends after its batch, and removes nothing when it is aborted before',
  async t => {
    const { pool } = await createDatabase(t)
    await fill(pool, 'feed', 10_050, 0)
    const sweep = eventSweep({ database: pool, days: { feed: 1 } })
    const closing = new AbortController()
    const removed = sweep.run(closing.signal)
    // Asked for one row, not for all: by the time that these are read the sweep may be over.
    await until(
      'one batch is gone',
      async () => (await pool.query('select from sluice.streams where base_position > 0')).rowCount === 1,
    )

    closing.abort()

    t.ok((await removed) < 10_050)
    t.equal(await sweep.run(closing.signal), 0)
  },
)

async function untilNothing(remove: () => Promise<number | undefined>): Promise<void> {
  while ((await remove()) !== 0);
}
