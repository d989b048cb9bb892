/** The newest event of each key, its index, and the compaction of the events that it has superseded. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { compactionSweep } from '../../../src/log/compaction.js'
import { COMPACTED, type Position, type StreamId } from '../../../src/log/event.js'
import { parseKeyPath, readLatestPage } from '../../../src/log/latest.js'
import { ensureStream, type Head, readBounds, readHead, readPage } from '../../../src/log/log.js'
import { retainStream } from '../../../src/log/stored-streams.js'
import { createDatabase } from '../../harness/database.js'
import { randomFrom } from '../../harness/random.js'
import { isDense, logged } from '../../harness/records.js'

const ID = parseKeyPath('data.id')
const START = 0 as Position

async function appendAll(pool: Database, ...texts: string[]): Promise<StreamId> {
  for (const text of texts) await pool.query(`select sluice.append('w', 'feed', 'a', $1)`, [text])
  return ensureStream(pool, 'w', 'feed')
}

async function compactBy(pool: Database, stream: StreamId, key: string | null, after = '0 s'): Promise<void> {
  await pool.query('select sluice.set_compaction($1, $2, $3)', [stream, key, after])
}

/** Runs the sweep although it has looked at the stream a moment ago. */
async function sweep(pool: Database): Promise<number> {
  await pool.query(`update sluice.compactions set checked_at = '-infinity'`)
  return compactionSweep(pool).run(new AbortController().signal)
}

async function newest(
  pool: Database,
  stream: StreamId,
  after = START,
  limit = 100,
  upTo?: Head,
): Promise<number[] | undefined> {
  const page = await readLatestPage(pool, stream, {
    key: ID,
    after,
    upTo: upTo ?? (await readHead(pool, stream)),
    limit,
    maxBytes: 100_000,
  })
  return page?.events.map(({ position }) => position)
}

const compacted = async (pool: Database) =>
  (await logged(pool)).filter(({ type }) => type === COMPACTED).map(({ position }) => position)

t.test('the key of an event is a string, a number or a boolean at its path', async t => {
  const { pool } = await createDatabase(t)
  const keyOf = async (data: string) => {
    const { rows } = await pool.query<{ key: string | null }>(`select sluice.key_of($1, 'data.a.b') as key`, [
      data,
    ])
    return rows[0]?.key
  }
  const cases: readonly (readonly [data: string, key: string | null])[] = [
    ['{"a":{"b":"x"}}', '"x"'],
    ['{"a":{"b":"\\u0078"}}', '"x"'],
    ['{"a":{"b":"\\ud83d\\ude00"}}', '"😀"'],
    ['{"a":{"b":7}}', '7'],
    ['{"a":{"b":"7"}}', '"7"'],
    ['{"a":{"b":7.0}}', '7'],
    ['{"a":{"b":70e-1}}', '7'],
    ['{"a":{"b":-0}}', '0'],
    ['{"a":{"b":12345678901234567890}}', '12345678901234567890'],
    ['{"a":{"b":1e999999999}}', '1e999999999'],
    ['{"a":{"b":true}}', 'true'],
    ['{"a":{"b":null}}', null],
    ['{"a":{"b":{}}}', null],
    ['{"a":{"b":[1]}}', null],
    ['{"a":{}}', null],
    ['{"a":[{"b":1}]}', null],
    ['{"a":3}', null],
    // The last of several members with the same name counts.
    ['{"a":{"b":1},"a":{}}', null],
    ['{"a":{"b":1,"b":2}}', '2'],
    [`{"a":{"b":"${'x'.repeat(1_022)}"}}`, `"${'x'.repeat(1_022)}"`],
    [`{"a":{"b":"${'x'.repeat(1_023)}"}}`, null],
    // Postgres cannot read these texts as JSON values.
    ['{"z":"\\u0000","a":{"b":"x"}}', '"x"'],
    ['{"z":"\\ud800","a":{"b":"x"}}', '"x"'],
    ['{"z":"\\u0000","a":{"b":"\\\\u0000"}}', '"\\\\u0000"'],
    ['{"a":{"b":"\\u0000"}}', null],
    ['{"a":{"b":"\\ud800"}}', null],
  ]
  const wrong: unknown[] = []
  for (const [data, key] of cases) {
    const found = await keyOf(data)
    if (found !== key) wrong.push({ data: data.slice(0, 60), key, found })
  }
  t.strictSame(wrong, [])
})

t.test('a page has the newest event of each key, with an index, without one, and in between', async t => {
  const { pool } = await createDatabase(t)
  const stream = await appendAll(
    pool,
    '{"id":1}',
    '{"id":2}',
    '{"none":1}',
    '{"id":1,"n":2}',
    '{"id":"1"}',
    '{"id":3}',
    '{"id":2,"n":2}',
  )
  const expected = [4, 5, 6, 7]

  t.strictSame(await newest(pool, stream), expected, 'without an index')
  await compactBy(pool, stream, 'data.id', '1 h')
  t.strictSame(await newest(pool, stream), expected, 'with an empty index')
  await pool.query('select sluice.index_latest($1, 3)', [stream])
  t.strictSame(await newest(pool, stream), expected, 'with half an index')
  await pool.query('select sluice.index_latest($1, 100)', [stream])
  t.strictSame(await newest(pool, stream), expected, 'with an index')
  t.strictSame(await newest(pool, stream, START, 2), [4, 5], 'the first page')
  t.strictSame(await newest(pool, stream, 5 as Position, 2), [6, 7], 'the second page')
  t.strictSame(await newest(pool, stream, 6 as Position, 2), [7])
})

t.test('a listing that began at an earlier head passes over keys that were superseded since', async t => {
  const { pool } = await createDatabase(t)
  const stream = await appendAll(pool, '{"id":1}', '{"id":2}', '{"id":3}')
  const upTo = await readHead(pool, stream)
  await compactBy(pool, stream, 'data.id', '1 h')
  await appendAll(pool, '{"id":2,"n":2}')
  await pool.query('select sluice.index_latest($1, 100)', [stream])

  t.strictSame(await newest(pool, stream, START, 10, upTo), [1, 3])
  t.equal(
    await newest(pool, stream, START, 10, { ...upTo, eventId: '00000000-0000-4000-8000-000000000000' }),
    undefined,
  )
})

t.test(
  'a long stream without an index is refused, and one whose index is behind is indexed by the read',
  async t => {
    const { pool } = await createDatabase(t)
    const stream = await appendAll(pool)
    await pool.query(
      `insert into sluice.events (stream_id, position, at, event_id, type, data)
     select $1, n, now(), gen_random_uuid(), 'a', json_build_object('id', n % 3) from generate_series(1, 10001) n`,
      [stream],
    )

    await t.rejects(newest(pool, stream), { status: 409, code: 'latest-not-indexed' })
    await compactBy(pool, stream, 'data.id', '1 h')
    t.strictSame(await newest(pool, stream), [9_999, 10_000, 10_001])
    const { rows } = await pool.query<{ to: number }>('select indexed_to as to from sluice.compactions')
    t.strictSame(rows, [{ to: 10_000 }])
    await compactBy(pool, stream, 'data.other')
    t.strictSame((await pool.query('select * from sluice.latest')).rows, [], 'another key has another index')
  },
)

t.test('a superseded event keeps its place and its id, and loses its type and data', async t => {
  const { pool } = await createDatabase(t)
  const stream = await appendAll(pool, '{"id":1}', '{"id":2}', '{"x":1}', '{"id":1,"n":2}', '{"id":1,"n":3}')
  const before = await logged(pool)
  await compactBy(pool, stream, 'data.id')

  t.equal(await sweep(pool), 2)
  t.equal(await sweep(pool), 0)

  const after = await logged(pool)
  t.ok(isDense(after))
  t.strictSame(
    after.map(({ eventId }) => eventId),
    before.map(({ eventId }) => eventId),
  )
  t.strictSame(await compacted(pool), [1, 4])
  t.strictSame(
    after.map(({ data }) => data),
    ['{}', '{"id":2}', '{"x":1}', '{}', '{"id":1,"n":3}'],
  )

  // Position 2 was the newest of its key when the sweep passed it.
  await appendAll(pool, '{"id":2,"n":2}')
  t.equal(await sweep(pool), 1)
  t.strictSame(await compacted(pool), [1, 2, 4])
})

t.test('an event younger than the age of the option keeps its data', async t => {
  const { pool } = await createDatabase(t)
  const stream = await appendAll(pool, '{"id":1}', '{"id":1,"n":2}', '{"id":1,"n":3}')
  await compactBy(pool, stream, 'data.id', '1 h')

  t.equal(await sweep(pool), 0)
  await pool.query(`update sluice.events set at = at - interval '2 h' where position = 1`)
  t.equal(await sweep(pool), 1)
  t.strictSame(await compacted(pool), [1])
})

t.test(
  'an event whose data was replaced is no longer found, and what it had superseded stays compacted',
  async t => {
    const { pool } = await createDatabase(t)
    const stream = await appendAll(pool, '{"id":1}', '{"id":2}', '{"id":1,"n":2}')
    await compactBy(pool, stream, 'data.id')
    await sweep(pool)

    await pool.query(`update sluice.events set data = '{"redacted":true}' where position in (1, 3)`)
    t.strictSame(await newest(pool, stream), [2])
    t.strictSame((await pool.query('select key from sluice.latest')).rows, [{ key: '2' }])
    await sweep(pool)
    t.strictSame(await compacted(pool), [1])
    const [, , third] = await logged(pool)
    t.equal(third?.data, '{"redacted":true}')
  },
)

t.test('retention removes the newest events of old keys, and the index forgets them', async t => {
  const { pool } = await createDatabase(t)
  const stream = await appendAll(pool, '{"id":1}', '{"id":2}', '{"id":1,"n":2}', '{"id":3}')
  await compactBy(pool, stream, 'data.id')
  await sweep(pool)
  await pool.query(`update sluice.events set at = at - interval '2 days' where position <= 2`)
  await pool.query(`update sluice.streams set oldest_at = oldest_at - interval '2 days'`)

  t.equal(await retainStream(pool, stream, 1, 100), 2)
  const base = (await readBounds(pool, stream))?.base.position
  t.equal(base, 2)
  t.strictSame(await newest(pool, stream, 2 as Position), [3, 4])
  await sweep(pool)
  t.strictSame((await pool.query('select position from sluice.latest order by 1')).rows, [
    { position: 3 },
    { position: 4 },
  ])
})

t.test('a stream that is deleted takes its index along', async t => {
  const { pool } = await createDatabase(t)
  const stream = await appendAll(pool, '{"id":1}')
  await compactBy(pool, stream, 'data.id')
  await sweep(pool)

  await pool.query('delete from sluice.streams where id = $1', [stream])
  t.strictSame((await pool.query('select * from sluice.compactions')).rows, [])
  t.strictSame((await pool.query('select * from sluice.latest')).rows, [])
})

t.test(
  'the newest event of a key always has its data, while publishers, sweeps, readers and redactions run',
  async t => {
    const { pool } = await createDatabase(t)
    const stream = await appendAll(pool)
    await compactBy(pool, stream, 'data.id')
    const random = randomFrom(7)
    const truth = new Map<number, number>()
    const newestPositions = new Map<number, Position>()
    const missing: { id: number; n: number; upTo: Position }[] = []
    const wrong: unknown[] = []
    let running = true

    // Each has its own keys, so it knows the newest value of each.
    const publisher = async (own: number) => {
      for (let n = 1; n <= 150; n += 1) {
        const id = own * 10 + random.integer(10)
        const { rows } = await pool.query<{ position: Position }>(
          `select "position" from sluice.append('w', 'feed', 'a', json_build_object('id', $1::int, 'n', $2::int))`,
          [id, n],
        )
        if (own < 4) {
          truth.set(id, n)
          newestPositions.set(id, rows[0]?.position ?? START)
        }
      }
    }
    const sweeper = async () => {
      while (running) await sweep(pool)
    }
    const reader = async () => {
      while (running) {
        const { position } = await readHead(pool, stream)
        const seen = new Map([...truth])
        const upTo = await readHead(pool, stream)
        const page = await readLatestPage(pool, stream, {
          key: ID,
          after: START,
          upTo,
          limit: 1_000,
          maxBytes: 1e6,
        })
        const found = new Map(
          page?.events.map(({ data, type }) => {
            if (type === COMPACTED) wrong.push({ compacted: position })
            const { id, n } = JSON.parse(data)
            return [id, n]
          }),
        )
        for (const [id, n] of seen) {
          const later = found.get(id)
          if (later === undefined) missing.push({ id, n, upTo: upTo.position })
          else if (later < n) wrong.push({ id, n, later })
        }
      }
    }
    // Only of other keys, whose newest events it redacts too.
    const redactor = async () => {
      while (running) {
        await pool.query(`
        update sluice.events set data = '{"redacted":true}'
         where "position" % 3 = 0 and type <> '${COMPACTED}' and data::text like '{"id" : 4%'`)
      }
    }
    const background = [sweeper(), reader(), redactor()]
    await Promise.all([1, 2, 3, 4].map(publisher)).finally(() => {
      running = false
    })
    await Promise.all(background)
    await sweep(pool)
    // A value may be missing only if it was superseded beyond the head, which the publisher may have learned after the reader.
    wrong.push(...missing.filter(({ id, upTo }) => (newestPositions.get(id) ?? START) <= upTo))

    const rows = await logged(pool)
    const last = new Map<number, number>()
    const left = rows.filter(({ type, data }) => type !== COMPACTED && JSON.parse(data).id < 40)
    for (const { data } of left) last.set(JSON.parse(data).id, JSON.parse(data).n)
    t.strictSame(wrong, [])
    t.ok(isDense(rows))
    t.strictSame([...last].sort(), [...truth].sort())
    t.equal(left.length, truth.size, 'and everything superseded is compacted')
    t.equal((await readPage(pool, stream, START, 1_000, 1e7)).events.length, 600)
  },
)
