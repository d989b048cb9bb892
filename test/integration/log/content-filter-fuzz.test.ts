/** The two evaluators of content filters, JavaScript and SQL, agree about every JSON text. */
import t from 'tap'
import type { Database } from '../../../src/database/pool.js'
import { ContentFilter } from '../../../src/log/content-filter/content-filter.js'
import { contentSql } from '../../../src/log/content-filter/content-sql.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { readFilteredPage } from '../../../src/log/filtered-page.js'
import { ensureStream, readPage } from '../../../src/log/log.js'
import { readNthNewest } from '../../../src/log/newest.js'
import { createDatabase } from '../../harness/database.js'
import { byNight } from '../../harness/nightly.js'
import { randomFrom } from '../../harness/random.js'
import { randomData, randomWhere } from '../../harness/random-content.js'
import { seedOfRun } from '../../harness/seed.js'

const EVENTS = byNight(100, 500)
const FILTERS = byNight(100, 500)
const PAIRS = EVENTS * FILTERS
const seed = seedOfRun(1)
const START = 0 as Position

t.test(`of ${PAIRS} pairs of an event and a filter, none has two verdicts (SLUICE_SEED=${seed})`, async t => {
  const random = randomFrom(seed)
  const { pool } = await createDatabase(t)
  for (let n = 0; n < EVENTS; n += 1) {
    const type = random.pick(['a', 'A12', 'thing.made'])
    await pool.query(`select sluice.append('w', 'feed', $1, $2::json)`, [type, randomData(random)])
  }
  const stream = await ensureStream(pool, 'w', 'feed')
  const { events } = await readPage(pool, stream, START, EVENTS, Number.MAX_SAFE_INTEGER)
  t.equal(events.length, EVENTS)

  const wrong: string[] = []
  const counts = { true: 0, false: 0, undecided: 0 }
  for (let n = 0; n < FILTERS; n += 1) {
    const where = randomWhere(random)
    const filter = EventFilter.of({ where })
    if (!filter) throw new Error('A condition makes a filter.')
    const matching = new Set(events.filter(event => filter.matches(event)))
    const verdicts = await verdictsOf(pool, stream, where)
    for (const [index, event] of events.entries()) {
      const verdict = verdicts[index] ?? 'undecided'
      counts[`${verdict}`] += 1
      if (verdict !== 'undecided' && verdict !== matching.has(event))
        wrong.push(`SQL says ${verdict}: ${where} of ${event.type} ${event.data.slice(0, 500)}`)
    }
    const expected = [...matching].map(({ position }) => position)
    const paged = await positionsOf(pool, stream, filter)
    if (paged.join() !== expected.join()) wrong.push(`The pages differ: ${where}`)
    const count = 1 + random.integer(5)
    const newest = await readNthNewest(pool, stream, count, filter)
    if (newest !== (expected.at(-count) ?? expected[0])) wrong.push(`The newest ${count} differ: ${where}`)
  }

  t.comment(JSON.stringify(counts))
  t.strictSame(wrong.slice(0, 10), [])
  t.ok(counts.true > PAIRS / 20 && counts.false > PAIRS / 20 && counts.undecided < PAIRS / 4)
})

async function verdictsOf(pool: Database, stream: StreamId, where: string): Promise<(boolean | null)[]> {
  const { lateral, values } = contentSql(ContentFilter.parse(where), 2)
  const { rows } = await pool.query<{ verdict: boolean | null }>(
    `select verdict from sluice.events e left join ${lateral} on true where stream_id = $1 order by "position"`,
    [stream, ...values],
  )
  return rows.map(({ verdict }) => verdict)
}

/** The positions of all events on the filtered pages, which bytes may have cut. */
async function positionsOf(pool: Database, stream: StreamId, filter: EventFilter): Promise<Position[]> {
  const found: StoredEvent[] = []
  for (let after = START; after < EVENTS; ) {
    const { events, last } = await readFilteredPage(pool, stream, after, EVENTS as Position, filter, EVENTS)
    found.push(...events)
    if (!last) throw new Error('A page ends with the last event that was checked.')
    after = last.position
  }
  return found.map(({ position }) => position)
}
