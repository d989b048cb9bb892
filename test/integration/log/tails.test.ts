import t, { type Test } from 'tap'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { ensureStream, readBounds, readEvent, readHead } from '../../../src/log/log.js'
import { readChangedTails, readTails, type Tail } from '../../../src/log/tails.js'
import { createDatabase } from '../../harness/database.js'

const LARGE = 10_000_000

t.test('one query returns the tails of many streams in order, and none for an idle stream', async t => {
  const { pool, streams } = await start(t, { feed: 4, other: 2, quiet: 0 })
  const [feed, other, quiet] = streams
  const wanted = [await at(pool, other, 0), await at(pool, quiet, 0), await at(pool, feed, 1)]

  const tails = await readTails(pool, wanted, 2, LARGE)

  t.strictSame(tails.map(summary), [
    [feed, true, [2, 3]],
    [other, true, [1, 2]],
  ])
  t.strictSame(tails[0]?.events[0], {
    ...(await readEvent(pool, feed as StreamId, 2 as Position)),
    way: 'sql',
  })
  t.strictSame(await readTails(pool, [], 2, LARGE), [])
})

t.test('each stream of the tails has its own limit of bytes, and its head does not count', async t => {
  const { pool, streams } = await start(t, { feed: 4, other: 2 }, 10_000)
  const [feed, other] = streams

  const tails = await readTails(pool, [await at(pool, feed, 1), await at(pool, other, 0)], 10, 21_000)
  const one = await readTails(pool, [await at(pool, feed, 1)], 10, 1)

  t.strictSame(tails.map(summary), [
    [feed, true, [2, 3]],
    [other, true, [1, 2]],
  ])
  t.strictSame(one.map(summary), [[feed, true, [2]]])
})

t.test('a lost head is reported, whatever event has replaced it', async t => {
  for (const renewed of [0, 1, 2, 5]) {
    const { pool, streams } = await start(t, { feed: 6 })
    const head = await at(pool, streams[0], 6)
    await inTransaction(pool, async client => {
      await client.query('delete from sluice.events where "position" > 4')
      for (let n = 0; n < renewed; n += 1) await client.query(`select sluice.append('w', 'feed', 'b', '{}')`)
    })

    const [tail] = await readTails(pool, [head], 10, LARGE)

    t.equal(tail?.continues, false, `${renewed} new ones`)
  }
})

t.test('a head that retention has removed is recognised by the base', async t => {
  const { pool, streams } = await start(t, { feed: 6 })
  const heads = await Promise.all([4, 5, 6].map(n => at(pool, streams[0], n)))
  await pool.query(`select sluice.retain('feed', '0 s', 5)`)
  const [before, base, last] = await Promise.all(heads.map(head => readTails(pool, [head], 10, LARGE)))

  t.equal(before?.[0]?.continues, false)
  t.strictSame(base?.map(summary), [[streams[0], true, [6]]])
  t.strictSame(last, [])
  await pool.query('update sluice.streams set base_event_id = gen_random_uuid()')
  t.equal((await readTails(pool, heads.slice(1, 2), 10, LARGE))[0]?.continues, false)
})

t.test('a deleted stream has lost its head', async t => {
  const { pool, streams } = await start(t, { feed: 0 })
  const head = await at(pool, streams[0], 0)
  await pool.query('delete from sluice.streams')

  t.strictSame((await readTails(pool, [head], 10, LARGE)).map(summary), [[streams[0], false, []]])
})

t.test('of many streams the same tails are read as of each alone', async t => {
  const { pool, streams } = await start(t, {
    grown: 3,
    lost: 3,
    based: 3,
    removed: 3,
    closed: 2,
    both: 2,
  })
  const [grown, lost, based, removed, closed, both] = streams
  const { rows } = await pool.query<{ id: StreamId }>(
    `select sluice.ensure_stream('w', 'idle-' || n) as id from generate_series(1, 150) n`,
  )
  await pool.query(`select sluice.append('w', 'idle-' || n, 'a', '{}') from generate_series(1, 140) n`)
  const idle = await Promise.all(rows.map(async ({ id }, n) => at(pool, id, n < 140 ? 1 : 0)))
  const others = [
    await at(pool, grown, 2),
    await at(pool, lost, 3),
    await at(pool, based, 3),
    await at(pool, removed, 3),
    await at(pool, closed, 2),
    await at(pool, both, 1),
  ]
  await pool.query('delete from sluice.events where stream_id = $1 and "position" = 3', [lost])
  await pool.query(`select sluice.append('w', 'lost', 'b', '{}')`)
  await pool.query(
    `update sluice.streams s set base_position = 3, base_event_id =
       (select e.event_id from sluice.events e where e.stream_id = s.id and e."position" = 3) where s.id = $1`,
    [based],
  )
  await pool.query('delete from sluice.events where stream_id = any ($1)', [[based, removed]])
  await pool.query('delete from sluice.streams where id = $1', [removed])
  await pool.query('update sluice.streams set closed_at = now() where id = any ($1)', [[closed, both]])
  const wanted = [...idle.slice(0, 75), ...others, ...idle.slice(75)]

  const tails = await readChangedTails(pool, wanted, 10, LARGE)

  const alone = await Promise.all(wanted.map(each => readTails(pool, [each], 10, LARGE)))
  t.strictSame(
    tails,
    alone.flat().sort((a, b) => a.streamId - b.streamId),
  )
  t.strictSame(
    tails.map(tail => [...summary(tail), tail.closed]),
    [
      [grown, true, [3], false],
      [lost, false, [], false],
      [removed, false, [], false],
      [closed, true, [], true],
      [both, true, [2], true],
    ],
  )
  t.strictSame(await readTails(pool, idle, 10, LARGE), [])
})

t.test('a stream costs a probe of two indexes, whether it has grown or not', async t => {
  const { pool, streams } = await start(t, { feed: 600, other: 600 })
  const wanted = [await at(pool, streams[0], 600), await at(pool, streams[1], 599)]

  await inTransaction(pool, async client => {
    // As the tailer's own connection (plugins/hub.ts).
    await client.query('set local plan_cache_mode = force_generic_plan')
    const scans = async () => {
      const { rows } = await client.query<{ relname: string; scans: number; tuples: number }>(
        `select relname, (coalesce(idx_scan, 0) + seq_scan)::int as scans,
                (coalesce(idx_tup_fetch, 0) + seq_tup_read)::int as tuples
           from pg_stat_xact_all_tables where relid in ('sluice.events'::regclass, 'sluice.streams'::regclass)
          order by relname`,
      )
      return rows
    }
    const before = await scans()
    await readTails(client, wanted, 500, LARGE)
    const after = await scans()

    const cost = after.map(({ relname, ...now }, n) => [
      relname,
      now.scans - (before[n]?.scans ?? 0),
      now.tuples - (before[n]?.tuples ?? 0),
    ])
    t.strictSame(cost, [
      ['events', 2, 3],
      ['streams', 2, 2],
    ])
  })
})

t.test(
  'a poll does not walk over events that retention has removed, while a snapshot keeps them',
  async t => {
    const { pool, streams } = await start(t, { feed: 0 })
    const before = await at(pool, streams[0], 0)
    await pool.query(`select sluice.append('w', 'feed', 'a', '{}') from generate_series(1, 5000)`)
    const head = await at(pool, streams[0], 5_000)
    const reader = await pool.connect()
    await inTransaction(pool, async old => {
      await old.query('set transaction isolation level repeatable read')
      await old.query('select from sluice.events limit 1')
      await pool.query(`select sluice.retain('feed', '0 s', 10000)`)
      const pages = async () => {
        const { rows } = await reader.query<{ pages: number }>(
          `select (idx_blks_hit + idx_blks_read)::int as pages from pg_statio_all_tables where relid = 'sluice.events'::regclass`,
        )
        return rows[0]?.pages ?? 0
      }
      await reader.query('select pg_stat_force_next_flush()')
      const first = await pages()
      const tails = await readChangedTails(reader, new Array(100).fill(head), 10, LARGE)
      await reader.query('select pg_stat_force_next_flush()')
      const touched = (await pages()) - first

      t.strictSame(tails, [])
      t.ok(touched >= 100, 'the probes count')
      t.ok(touched < 1_000, `${touched} pages`)
    })
    reader.release()
    t.equal((await readTails(pool, [before], 10, LARGE))[0]?.continues, false)
  },
)

async function start(t: Test, plan: Record<string, number>, bytes = 0) {
  const { pool } = await createDatabase(t)
  const streams: StreamId[] = []
  for (const [name, count] of Object.entries(plan)) {
    streams.push(await ensureStream(pool, 'w', name))
    const data = JSON.stringify({ x: 'x'.repeat(bytes) })
    for (let n = 0; n < count; n += 1)
      await pool.query(`select sluice.append('w', $1, 'a', $2::json)`, [name, data])
  }
  return { pool, streams }
}

/** To be read after the event at a position, or after the base. */
async function at(pool: Database, streamId: StreamId | undefined, position: number) {
  if (streamId === undefined) throw new Error('There is no such stream.')
  const base = (await readBounds(pool, streamId))?.base
  const head = await readHead(pool, streamId)
  const event = await readEvent(pool, streamId, position as Position)
  return { streamId, after: event ?? (base?.position === position ? base : head) }
}

function summary({ streamId, continues, events }: Tail) {
  return [streamId, continues, events.map(({ position }) => position)]
}
