import t, { type Test } from 'tap'
import { type Database, inTransaction } from '../../../src/database/pool.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { readFilteredPage } from '../../../src/log/filtered-page.js'
import {
  ensureStream,
  findStream,
  readBounds,
  readEvent,
  readHead,
  readPage,
  readPlace,
} from '../../../src/log/log.js'
import { createDatabase } from '../../harness/database.js'
import { connect, logged } from '../../harness/records.js'

const START = 0 as Position
const MANY = 1_000
const LARGE = 10_000_000

const append = (database: Database, stream: string, type: string, data = '{}') =>
  database.query(`select sluice.append('w', $1, $2, $3::json)`, [stream, type, data])

async function streamOf(test: Test, types: readonly string[]): Promise<{ pool: Database; id: StreamId }> {
  const { pool } = await createDatabase(test)
  for (const type of types) await append(pool, 'feed', type)
  return { pool, id: await ensureStream(pool, 'w', 'feed') }
}

t.test('a stream is found by workspace and name, and made only once', async t => {
  const { pool } = await createDatabase(t)
  t.equal(await findStream(pool, 'w', 'feed'), undefined)

  const ids = await Promise.all([1, 2, 3, 4].map(() => ensureStream(pool, 'w', 'feed')))

  t.equal(new Set(ids).size, 1)
  t.strictSame(await findStream(pool, 'w', 'feed'), { id: ids[0], kind: 'feed', closedAt: null })
  t.not(await ensureStream(pool, 'v', 'feed'), ids[0])
  await pool.query('select sluice.close_stream($1)', [ids[0]])
  t.type((await findStream(pool, 'w', 'feed'))?.closedAt, Date)
  await t.rejects(ensureStream(pool, 'no good', 'feed'), { code: 'SL002' })
})

t.test('an empty stream begins and ends at position 0', async t => {
  const { pool, id } = await streamOf(t, [])

  const bounds = await readBounds(pool, id)

  t.match(bounds, { base: { position: 0, eventId: /^[0-9a-f-]{36}$/ } })
  t.strictSame(bounds?.head, bounds?.base)
  t.strictSame(await readHead(pool, id), bounds?.head)
  t.strictSame((await readPage(pool, id, START, MANY, LARGE)).events, [])
})

t.test('a stream that does not exist has no bounds', async t => {
  const { pool } = await createDatabase(t)

  t.equal(await readBounds(pool, 99 as StreamId), undefined)
  await t.rejects(readHead(pool, 99 as StreamId), /no stream 99/)
  t.strictSame(await readPage(pool, 99 as StreamId, START, MANY, LARGE), { anchor: undefined, events: [] })
})

t.test('an event is read back byte for byte', async t => {
  const { pool, id } = await streamOf(t, [])
  const texts = [
    JSON.stringify({ a: '\u0000 \ud800 \udc00\ud800 é ☃ 😀 \u2028 "\\/', __proto__x: 1 }),
    '{"b" : 1.0, "a":1e400,  "a":-0,"__proto__":{"x":"\\u0000"}}',
    JSON.stringify({ a: 'x'.repeat(200_000) }),
  ]

  for (const text of texts) await append(pool, 'feed', 'a', text)

  t.strictSame(
    (await readPage(pool, id, START, MANY, LARGE)).events.map(event => event.data),
    texts,
  )
  const [first] = await logged(pool)
  t.strictSame(await readEvent(pool, id, 1 as Position), {
    position: 1,
    eventId: first?.eventId,
    at: first?.at,
    type: 'a',
    data: texts[0],
    attributes: null,
    traceparent: null,
  })
  t.equal(await readEvent(pool, id, 4 as Position), undefined)
})

t.test('a page has at most the requested events and bytes, but at least one event', async t => {
  const { pool, id } = await streamOf(t, [])
  for (let index = 0; index < 5; index += 1)
    await append(pool, 'feed', 'a', JSON.stringify({ a: 'x'.repeat(10_000) }))
  const places = async (after: number, limit: number, bytes: number) =>
    (await readPage(pool, id, after as Position, limit, bytes)).events.map(event => event.position)

  t.strictSame(await places(0, 3, LARGE), [1, 2, 3])
  t.strictSame(await places(3, 3, LARGE), [4, 5])
  t.strictSame(await places(5, 3, LARGE), [])
  t.strictSame(await places(0, 9, 25_000), [1, 2])
  t.strictSame(await places(1, 9, 1), [2])
})

t.test('events beyond the limit are not read from TOAST', async t => {
  const { pool, id } = await streamOf(t, [])
  for (let index = 0; index < 20; index += 1)
    await append(pool, 'feed', 'a', JSON.stringify({ a: 'x'.repeat(100_000) }))
  const client = await connect(t, pool)
  const fetched = async () => {
    const { rows } = await client.query<{ chunks: number }>(
      `select idx_tup_fetch::int as chunks from pg_stat_xact_all_tables
        where relid = (select reltoastrelid from pg_class where oid = 'sluice.events'::regclass)`,
    )
    return rows[0]?.chunks ?? 0
  }
  await client.query('begin')

  await readPage(client, id, START, 20, 150_000)
  const one = await fetched()
  await readPage(client, id, START, 20, LARGE)

  t.ok(one > 0)
  t.equal((await fetched()) - one, 20 * one)
})

t.test('a page has an anchor, even if it is empty', async t => {
  const { pool, id } = await streamOf(t, ['a', 'b', 'c'])
  const base = (await readBounds(pool, id))?.base.eventId
  const second = (await readEvent(pool, id, 2 as Position))?.eventId
  const anchor = async (after: number) => {
    const filter = EventFilter.ofTypes('none')
    const pages = [
      await readPage(pool, id, after as Position, MANY, LARGE),
      await readFilteredPage(pool, id, after as Position, 3 as Position, filter, 10),
      { anchor: (await readPlace(pool, id, after as Position))?.eventId },
    ]
    t.equal(new Set(pages.map(page => page.anchor)).size, 1)
    return pages[0]?.anchor
  }

  t.equal(await anchor(0), base)
  t.equal(await anchor(2), second)
  t.equal(await anchor(4), undefined)
  await pool.query(`select sluice.retain('feed', '0 s', 2)`)
  t.equal(await anchor(2), second, 'the base now')
  t.equal(await anchor(1), undefined)
})

t.test('a filtered page has the matching events and the position up to which it read', async t => {
  const { pool, id } = await streamOf(t, [
    'item.created',
    'item_created',
    'itemXcreated',
    'b',
    'item.deleted',
    'b',
  ])
  const read = (types: string, after: number, upTo: number, limit: number) =>
    readFilteredPage(pool, id, after as Position, upTo as Position, EventFilter.ofTypes(types), limit)
  const summary = ({ events, last }: Awaited<ReturnType<typeof read>>) => [
    events.map(event => event.position),
    last?.position,
  ]

  t.strictSame(summary(await read('item.*', 0, 6, 10)), [[1, 5], 6])
  t.strictSame(summary(await read('item.*', 0, 4, 10)), [[1], 4])
  t.strictSame(summary(await read('item.*', 1, 6, 10)), [[5], 6])
  t.strictSame(summary(await read('item.*', 0, 6, 1)), [[1], 1], 'a full page ends at its last event')
  t.strictSame(summary(await read('item_*', 0, 6, 10)), [[2], 6], 'an underscore is an underscore')
  t.strictSame(summary(await read('item_created,b', 0, 6, 10)), [[2, 4, 6], 6])
  t.strictSame(summary(await read('*', 2, 6, 10)), [[3, 4, 5, 6], 6])
  t.strictSame(summary(await read('none', 0, 6, 10)), [[], 6])
  t.strictSame(summary(await read('none', 6, 6, 10)), [[], undefined], 'nothing to look at')
  const fourth = await readEvent(pool, id, 4 as Position)
  t.match(await read('b', 1, 5, 1), { events: [fourth], last: fourth })
  t.strictSame((await read('none', 1, 4, 1)).last, fourth)
})

t.test('a filtered page reads a bounded range, and ends early when it grows large', async t => {
  const { pool, id } = await streamOf(t, [])
  await pool.query(`select sluice.publish('w', 'feed', 'common', '{}') from generate_series(1, 10500)`)
  const data = JSON.stringify({ a: 'x'.repeat(262_000) })
  await pool.query(`select sluice.publish('w', 'feed', 'rare', $1::json) from generate_series(1, 20)`, [data])
  const filter = EventFilter.ofTypes('rare')
  const upTo = 10_520 as Position

  const first = await readFilteredPage(pool, id, START, upTo, filter, 100)
  const second = await readFilteredPage(pool, id, first.last?.position ?? START, upTo, filter, 100)
  const third = await readFilteredPage(pool, id, second.last?.position ?? START, upTo, filter, 100)

  t.match(first, { events: [], last: { position: 10_000 } })
  t.equal(second.events.length, 16)
  t.equal(second.last?.position, 10_516)
  t.equal(third.events.length, 4)
  t.equal(third.last?.position, upTo)
  t.equal((await readFilteredPage(pool, id, 10_510 as Position, upTo, filter, 100, 600_000)).events.length, 2)
})

t.test('a filtered page is undefined where retention or a loss has left a gap in its range', async t => {
  const { pool, id } = await streamOf(t, ['a', 'b', 'c', 'a', 'b', 'c'])
  const read = async (types: string, after: number, upTo: number) =>
    (await readFilteredPage(pool, id, after as Position, upTo as Position, EventFilter.ofTypes(types), 10))
      .last?.position

  await pool.query(`select sluice.retain('feed', '0 s', 2)`)
  t.equal(await read('c', 0, 6), undefined)
  t.equal(await read('c', 1, 6), undefined)
  t.equal(await read('c', 2, 6), 6)
  t.equal(await read('none', 2, 5), 5)

  await pool.query('delete from sluice.events where "position" > 4')
  t.equal(await read('a', 2, 6), 4, 'the range before the loss is complete')
  t.equal(await read('none', 2, 6), undefined)
  t.equal(await read('a', 4, 6), undefined)
})

t.test('within a transaction, everything is read from its snapshot', async t => {
  const { pool, id } = await streamOf(t, ['a'])

  await inTransaction(
    pool,
    async client => {
      const before = await readHead(client, id)
      await append(pool, 'feed', 'b')
      t.strictSame(await readHead(client, id), before)
      t.equal((await readPage(client, id, START, MANY, LARGE)).events.length, 1)
    },
    'repeatable read, read only',
  )

  t.equal((await readHead(pool, id)).position, 2)
})
