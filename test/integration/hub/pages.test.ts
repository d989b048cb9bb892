import t, { type Test } from 'tap'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { HubTally } from '../../../src/hub/hub-tally.js'
import { Pages } from '../../../src/hub/pages.js'
import { Pacing } from '../../../src/hub/scheduling/pacing.js'
import type { Position, StreamId } from '../../../src/log/event.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { readBounds, readEvent, readHead } from '../../../src/log/log.js'
import { createDatabase } from '../../harness/database.js'
import { appendEvents, observed } from '../../harness/hub.js'
import { until } from '../../harness/until.js'

const after = (position: number) => ({ position: position as Position })
const rare = EventFilter.ofTypes('rare')

t.test('many callers that ask for the same page at once cost one read', async t => {
  const { pages, stream, reads } = await start(t, 600)

  const found = await Promise.all(Array.from({ length: 100 }, (_, n) => pages.after(stream, after(n))))

  t.equal(reads(), 1)
  t.ok(found.every((page, n) => page[0]?.position === n + 1 && page.at(-1)?.position === 256))
})

t.test('a read is left out if nobody wants it any more when it is its turn', async t => {
  const { pages, stream, reads } = await start(t, 600)
  let isThere = true
  const isWanted = () => isThere

  const left = [0, 256].map(position => pages.after(stream, after(position), isWanted))
  const stays = pages.after(stream, after(1))
  isThere = false

  t.equal((await stays).length, 255)
  t.equal((await left[0])?.length, 256, 'another caller wanted the same page')
  t.strictSame(await left[1], [])
  t.equal(reads(), 1)
  t.equal((await pages.after(stream, after(256))).length, 256)
})

t.test('a full page is cached, and a page that may still grow is read each time', async t => {
  const { pages, stream, reads } = await start(t, 300)

  t.equal((await pages.after(stream, after(0))).length, 256)
  t.equal((await pages.after(stream, after(255))).length, 1)
  t.equal(reads(), 1)
  t.equal((await pages.after(stream, after(256))).length, 44)
  t.equal((await pages.after(stream, after(256))).length, 44)
  t.equal(reads(), 3)
})

t.test('a page that reaches the head fills the recent frames', async t => {
  const { pages, pool, stream } = await start(t, 300)

  await pages.after(stream, after(0))
  t.equal(stream.recent.after(after(299)), undefined, 'it does not reach the head')
  await appendEvents(pool, 2)
  await pages.after(stream, after(256))

  const recent = stream.recent.after(after(256)) ?? []
  t.equal(recent.length, 44, 'nothing that the stream itself has not got yet')
  t.equal(recent.at(-1)?.event.eventId, stream.head.eventId)
  t.equal(stream.recent.after(after(255)), undefined)
})

t.test('a page of another history does not fill the recent frames', async t => {
  const { pages, stream } = await start(t, 3)
  stream.head = { ...stream.head, eventId: '00000000-0000-4000-8000-000000000000' }

  await pages.after(stream, after(0))

  t.ok(stream.recent.empty)
})

t.test('a page that has grown is read again', async t => {
  const { pages, pool, stream } = await start(t, 3)
  t.equal((await pages.after(stream, after(0))).length, 3)

  await appendEvents(pool, 2)

  t.equal((await pages.after(stream, after(0))).length, 5)
  t.strictSame(await pages.after(stream, after(5)), [], 'nothing there means that the log had nothing')
})

t.test('large events come in several pages, and none is skipped', async t => {
  const { pages, pool, stream } = await start(t, 1)
  for (let n = 0; n < 4; n += 1) await appendEvents(pool, 3, `{"x":"${'x'.repeat(200_000)}"}`)
  const found: number[] = []

  for (let last = 0; last < 13; last = found.at(-1) ?? 13) {
    const page = await pages.after(stream, after(last))
    t.ok(page.reduce((bytes, { event }) => bytes + event.data.length, 0) <= 1024 * 1024)
    found.push(...page.map(({ position }) => position))
  }

  t.strictSame(
    found,
    Array.from({ length: 13 }, (_, index) => index + 1),
  )
})

t.test('large events come in several pages, each read once for all callers', async t => {
  const { pages, pool, stream: early, reads } = await start(t, 1)
  for (let n = 0; n < 4; n += 1) await appendEvents(pool, 3, `{"x":"${'x'.repeat(200_000)}"}`)
  const stream = await open(pool, early.id)
  const positions = async () => {
    const found: number[] = []
    while ((found.at(-1) ?? 0) < 13) {
      const page = await pages.after(stream, after(found.at(-1) ?? 0))
      found.push(...page.map(({ position }) => position))
    }
    return found
  }

  const found = await Promise.all(Array.from({ length: 20 }, positions))
  const cost = reads()
  found.push(await positions())

  const all = Array.from({ length: 13 }, (_, index) => index + 1)
  t.strictSame(found, Array(21).fill(all))
  t.equal(cost, 3, 'a page of six and two of five')
  t.equal(reads(), cost + 1, 'only the last page may still grow')
})

t.test('a read that began before a commit does not hide its events from later callers', async t => {
  let hold: (() => void) | undefined
  let held = false
  const { pages, pool, stream } = await start(t, 3, async () => {
    if (held) return
    held = true
    await new Promise<void>(resolve => {
      hold = resolve
    })
  })
  // The answer with three events is held back while a fourth event is committed.
  const early = pages.after(stream, after(0))
  await until('the read', () => hold !== undefined)
  await appendEvents(pool, 1)

  const late = pages.after(stream, after(3))
  hold?.()

  t.equal((await early).length, 3)
  t.strictSame(
    (await late).map(({ position }) => position),
    [4],
  )
})

t.test('pages of a lost history are not used for the new one', async t => {
  const { pages, pool, stream } = await start(t, 256)
  const [before] = await pages.after(stream, after(0))
  await pool.query('begin; delete from sluice.events; commit')
  await appendEvents(pool, 256)

  const bounds = await readBounds(pool, stream.id)
  if (bounds) stream.restart('history-lost', bounds)
  const [restarted] = await pages.after(stream, after(0))

  t.not(restarted?.event.eventId, before?.event.eventId)
})

t.test('pages of a lost history are not used after the stream is opened again', async t => {
  const { pages, pool, stream } = await start(t, 256)
  const [before] = await pages.after(stream, after(0))
  await pool.query('begin; delete from sluice.events; commit')
  await appendEvents(pool, 256)

  const [opened] = await pages.after(await open(pool, stream.id), after(0))

  t.not(opened?.event.eventId, before?.event.eventId)
})

t.test('a failed read fails for all callers that wait for it, and the next call reads again', async t => {
  let failures = 1
  const { pages, stream, reads } = await start(t, 300, () => {
    failures -= 1
    if (failures >= 0) throw new Error('away')
  })

  const results = await Promise.allSettled([pages.after(stream, after(0)), pages.after(stream, after(0))])

  t.match(results, [{ status: 'rejected' }, { status: 'rejected' }])
  t.equal((await pages.after(stream, after(0))).length, 256)
  t.equal(reads(), 2)
})

t.test('only a few reads run at a time, however many callers wait', async t => {
  let reading = 0
  let most = 0
  const { pages, pool, stream } = await start(t, 2_000)
  const counted = new Pages(
    observed(
      pool,
      () => {
        reading += 1
        most = Math.max(most, reading)
      },
      () => {
        reading -= 1
      },
    ),
  )

  const starts = Array.from({ length: 7 }, (_, page) => after(page * 256))
  const found = await Promise.all(starts.map(position => counted.after(stream, position)))

  t.equal(found.flat().length, 7 * 256)
  t.ok(most <= 4, `${most} at once`)
  t.equal((await pages.after(stream, after(0))).length, 256)
})

t.test('a filtered page has the matching events, ends with its last event, and is read once', async t => {
  const { pages, stream, reads } = await start(t, everyNth(4_000, 20_000))

  const many = await Promise.all([0, 100, 4_000, 8_191].map(n => pages.matching(stream, after(n), rare)))
  const next = await pages.matching(stream, after(8_192), rare)
  const again = await pages.matching(stream, after(3_999), rare)

  t.strictSame(many.map(positions), [[4_000, 8_000, 8_192], [4_000, 8_000, 8_192], [8_000, 8_192], [8_192]])
  t.strictSame(positions(next), [12_000, 16_000, 16_384])
  t.strictSame(positions(again), [4_000, 8_000, 8_192])
  t.equal(reads(), 2)
})

t.test('a filtered page of a lost history is not used for the new one', async t => {
  const { pages, pool, stream } = await start(t, everyNth(4_000, 9_000))
  const before = await pages.matching(stream, after(0), rare)
  await pool.query('begin; delete from sluice.events; commit')
  await appendEvents(pool, 9_000, '{}', everyNth(3_000, 9_000))

  const bounds = await readBounds(pool, stream.id)
  if (bounds) stream.restart('history-lost', bounds)
  const restarted = await pages.matching(stream, after(0), rare)

  t.strictSame([before, restarted].map(positions), [
    [4_000, 8_000, 8_192],
    [3_000, 6_000, 8_192],
  ])
})

t.test('a filtered page gives nothing to a cursor in its middle that is not of its history', async t => {
  const { pages, pool, stream } = await start(t, everyNth(4_000, 9_000))
  const at = async (position: number) => {
    const event = await readEvent(pool, stream.id, position as Position)
    return { position: position as Position, eventId: event?.eventId ?? '' }
  }
  const [before, kept] = [await at(5_000), await at(100)]
  t.strictSame(positions(await pages.matching(stream, before, rare)), [8_000, 8_192])

  await pool.query('begin; delete from sluice.events where "position" > 1000; commit')
  await appendEvents(pool, 8_000)

  for (const cursor of [await at(5_000), before, kept])
    t.strictSame(await pages.matching(stream, cursor, rare), [], 'the page is of before')
  stream.verify()
  t.strictSame(await pages.matching(stream, before, rare), [])
  for (const cursor of [await at(5_000), kept])
    t.strictSame(positions(await pages.matching(stream, cursor, rare)), [8_192])
})

t.test('near the head there is no filtered page', async t => {
  const { pages, stream, reads } = await start(t, everyNth(4_000, 9_000))

  t.equal(await pages.matching(stream, after(8_192), rare), undefined)
  t.equal(await pages.matching(stream, after(9_000), rare), undefined)
  t.equal(reads(), 0)
})

t.test('each filter has its own pages', async t => {
  const { pages, stream } = await start(t, everyNth(4_000, 9_000))
  const other = EventFilter.ofTypes('other')

  const [first, second] = await Promise.all(
    [rare, other].map(filter => pages.matching(stream, after(0), filter)),
  )

  t.strictSame([first, second].map(positions), [[4_000, 8_000, 8_192], [8_192]])
})

t.test('large events come in several filtered pages, each read once for all callers', async t => {
  const { pages, pool, stream, reads } = await start(t, everyNth(4_000, 3_000))
  for (let n = 0; n < 4; n += 1) await appendEvents(pool, 3, `{"x":"${'x'.repeat(200_000)}"}`, 'rare')
  await appendEvents(pool, 6_000)
  stream.head = await readHead(pool, stream.id)
  const walk = async () => {
    const found: number[] = []
    for (let last = 0, next = 0; last < 8_192; last = next) {
      const page = (await pages.matching(stream, after(last), rare)) ?? []
      t.ok(page.reduce((bytes, { event }) => bytes + event.data.length, 0) <= 1024 * 1024)
      found.push(...positions(page))
      next = page.at(-1)?.position ?? 9_000
    }
    return found
  }

  const both = await Promise.all([walk(), walk()])

  const all = [...Array.from({ length: 12 }, (_, n) => 3_001 + n), 8_192]
  t.strictSame(both, [all, all])
  t.equal(reads(), 3)
})

t.test('there is no filtered page where many events match after large ones', async t => {
  const { pages, pool, stream } = await start(t, everyNth(4_000, 100))
  await appendEvents(pool, 6, `{"x":"${'x'.repeat(200_000)}"}`, 'rare')
  await appendEvents(pool, 9_000, '{}', 'rare')
  stream.head = await readHead(pool, stream.id)

  t.strictSame(positions(await pages.matching(stream, after(0), rare)), [101, 102, 103, 104, 105])
  t.equal(await pages.matching(stream, after(105), rare), undefined)
})

t.test('there is no filtered page where many events match, and one read finds that out', async t => {
  const { pages, stream, reads } = await start(t, everyNth(7, 9_000))

  const ask = () => Promise.all([0, 100, 5_000, 8_191].map(n => pages.matching(stream, after(n), rare)))
  const found = [...(await ask()), ...(await ask())]

  t.ok(found.every(page => page === undefined))
  t.equal(reads(), 1)
})

t.test(
  'a filtered page begins at the cursor if the events at its own beginning are no longer stored',
  async t => {
    const { pages, pool, stream } = await start(t, everyNth(4_000, 20_000))
    await pool.query(`select sluice.retain('feed', '0 s', 4500)`)

    t.strictSame(await pages.matching(stream, after(4_499), rare), [], 'nothing: that is not there any more')
    t.strictSame(positions(await pages.matching(stream, after(4_500), rare)), [8_000, 8_192])
  },
)

t.test('reads of filtered pages leave database connections to other reads', async t => {
  let held = 0
  let release = () => {}
  const open = new Promise<void>(resolve => {
    release = resolve
  })
  const { pages, stream } = await start(t, everyNth(4_000, 9_000), async name => {
    if (name !== 'sluice-read-filtered-page') return
    held += 1
    await open
  })
  const filters = ['a', 'b', 'c', 'd', 'e', 'f'].map(type => EventFilter.ofTypes(type))
  const filtered = Promise.all(filters.map(filter => pages.matching(stream, after(0), filter)))
  await until('they read', () => held === 2)

  t.equal((await pages.after(stream, after(0))).length, 256)
  t.equal(held, 2)
  release()
  t.equal((await filtered).length, 6)
})

function everyNth(n: number, events: number): string[] {
  return Array.from({ length: events }, (_, index) => ((index + 1) % n === 0 ? 'rare' : 'thing.made'))
}

function positions(page: Awaited<ReturnType<Pages['matching']>>): number[] {
  return page?.map(({ position }) => position) ?? []
}

/** With that many events, or with events of these types. */
async function start(
  t: Test,
  events: number | readonly string[],
  afterRead: (name: string) => unknown = () => {},
) {
  const { pool } = await createDatabase(t)
  const types = typeof events === 'number' ? everyNth(events + 1, events) : events
  const { streamId } = await appendEvents(pool, types.length, '{}', types)
  let reads = 0
  const see = () => {
    reads += 1
  }
  return {
    pool,
    pages: new Pages(observed(pool, see, afterRead)),
    stream: await open(pool, streamId),
    reads: () => reads,
  }
}

async function open(pool: Parameters<typeof readBounds>[0], id: StreamId): Promise<HubStream> {
  const bounds = await readBounds(pool, id)
  if (!bounds) throw new Error('There is no such stream.')
  return new HubStream({
    id,
    kind: 'feed',
    closed: false,
    head: bounds.head,
    pacing: new Pacing(),
    tally: new HubTally(),
    compareHead: () => {},
  })
}
