import t, { type Test } from 'tap'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { ensureStream, readBounds, readEvent, readHead } from '../../../src/log/log.js'
import { readTails, type Tail } from '../../../src/log/tails.js'
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
