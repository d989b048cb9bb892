import t, { type Test } from 'tap'
import { HIGH_WATER_BYTES } from '../../../src/sse/sink.js'
import { type EventStream, openStream } from '../../harness/event-stream.js'
import { observed, replaceTail, startHub, type TestHubOptions } from '../../harness/hub.js'
import { randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'

/** Positions that a filtered page covers. */
const STRETCH = 8_192
const FILTERED = 'sluice-read-filtered-page'
const SHARED = 'sluice-read-page'
const PAGE_OF_TEXT = `{"x":"${'x'.repeat(10_000)}"}`

t.test('all events of a rare type arrive once and in order while others publish, and then live', async t => {
  const { url, lay, idsOf, count } = await start(t)
  await lay([9_000, 'rare.a', 9_000, 'rare.b', 'rare.a', 1_000])
  const publish = async () => {
    for (let n = 0; n < 10; n += 1) await lay([400, 'rare.a'])
  }

  const [client] = await Promise.all([openStream(t, `${url}?from=beginning&types=rare.*`), publish()])
  await until('the past', () => rare(client).length === 13)
  await lay([1, 'rare.b'])
  await until('the present', () => rare(client).length === 14)

  t.strictSame(rare(client), idsOf('rare.'))
  t.ok(count(FILTERED) > 0)
})

t.test('in any log, each filter gets all events that match it', async t => {
  const random = randomFrom(11)
  const { url, lay, events } = await start(t)
  const plan: (number | string)[] = []
  while (plan.filter(part => typeof part === 'number').reduce((sum, part) => sum + part, 0) < 25_000) {
    const dense = random.integer(3) === 0
    for (let n = random.integer(20); n >= 0; n -= 1) {
      plan.push(
        1 + random.integer(dense ? 5 : 700),
        ...(random.integer(2) ? ['rare.a'] : ['rare.b', 'rare.b']),
      )
    }
  }
  await lay(plan)

  for (const types of ['rare.a', 'rare.*', 'none', 'rare.b,thing.*', '*']) {
    const starts = [2 * STRETCH, random.integer(events.length), random.integer(events.length), 0]
    for (const from of /thing|^\*/.test(types) ? starts.slice(0, 2) : starts) {
      const filter = (type: string) => types === '*' || types.split(',').some(term => matches(term, type))
      const client = await openStream(t, `${url}?from=${from}&types=${types}`)
      const expected = events.slice(from).filter(({ type }) => filter(type))
      await client.until(events.length > from ? ends(client, events.at(-1)?.id) : 1)
      t.strictSame(
        client.messages.filter(({ event }) => event !== 'server.state').map(({ id }) => id),
        expected.map(({ id }) => id),
        `${types} from ${from}`,
      )
      client.close()
    }
  }
})

t.test('many clients with the same filter cost one read per filtered page', async t => {
  const { url, lay, idsOf, count } = await start(t)
  await lay([5_000, 'rare', 12_000, 'rare', 4_000, 'rare'])

  const clients = await Promise.all(
    Array.from({ length: 60 }, (_, n) => openStream(t, `${url}?from=${n * 80}&types=rare`)),
  )
  for (const client of clients) await until('it has all', () => rare(client).length === 3)

  t.ok(clients.every(client => rare(client).join() === idsOf('rare').join()))
  t.equal(count(FILTERED), 2)
})

t.test('a filter that matches many events costs no more reads than no filter', async t => {
  const { url, lay, count, reset } = await start(t)
  await lay([30_000])
  const cost = async (query: string) => {
    reset()
    // These pages are not cached yet.
    const client = await openStream(t, `${url}?from=beginning${query}`)
    await client.until(messages => messages.length > 30_000)
    return { filtered: count(FILTERED), shared: count(SHARED) }
  }

  const filtered = await cost('&types=thing.*')
  const again = await cost('')

  t.equal(filtered.filtered, 1)
  t.ok(filtered.shared <= 30_000 / 256 + 2, `${filtered.shared} pages`)
  t.ok(again.shared < 8, 'and all that it read is there for the others')
})

t.test('a client that is cut off in the middle of a long log continues there', async t => {
  const held = holding(FILTERED, 2)
  const { url, lay, idsOf, events, count } = await start(t, { reading: held.reading })
  await lay([3_000, 'rare', 12_000, 'rare', 4_000])
  const first = await openStream(t, `${url}?from=beginning&types=rare`)
  await until('it is in the middle', held.holds)
  const reached = events[STRETCH - 1]?.id ?? ''

  await until('its cursor', () => first.text().endsWith(`id: ${reached}\n\n`))
  first.close()
  held.release()
  const second = await openStream(t, `${url}?from=${reached}&types=rare`)
  await second.until(ends(second, events.at(-1)?.id))

  t.strictSame([...rare(first), ...rare(second)], idsOf('rare'))
  t.equal(count(FILTERED), 2)
})

t.test('a filtered client gets reset when retention removes events that it has not got yet', async t => {
  const held = holding(FILTERED, 2, 'before')
  const { url, lay, pool, events } = await start(t, { reading: held.reading })
  await lay([3_000, 'rare', 6_000, 'rare', 9_000, 'rare'])
  const client = await openStream(t, `${url}?from=beginning&types=rare`)
  await until('it is in the middle', held.holds)

  await pool.query(`select sluice.retain('feed', '0 s', 12000)`)
  held.release()
  await client.until(1, 'reset')
  await lay(['rare'])
  await until('it goes on', () => rare(client).length === 2)

  const head = events.at(-2)
  t.strictSame(rare(client), [events[3_000]?.id, events.at(-1)?.id])
  t.match(client.messages.at(-2), { event: 'reset', id: head?.id })
  t.match(JSON.parse(client.messages.at(-2)?.data ?? ''), {
    reason: 'retention',
    earliest: events[11_999]?.id,
    head: head?.id,
  })
})

t.test('a filtered client gets no reset when retention removes events that it has got', async t => {
  const { url, lay, pool, idsOf, count } = await start(t)
  await lay([10_000, 'rare', 12_000, 'rare'])
  await pool.query(`select sluice.retain('feed', '0 s', 9000)`)

  const client = await openStream(t, `${url}?from=9500&types=rare`)
  await until('it has all', () => rare(client).length === 2)

  t.strictSame(rare(client), idsOf('rare'))
  t.equal(count(FILTERED), 2, 'not to be read from the beginning of its stretch')
  t.notOk(client.messages.some(({ event }) => event === 'reset'))
})

for (const [cut, told] of [
  [12_000, false],
  [5_000, true],
] as const) {
  t.test(
    `a filtered client at 8,192 is${told ? '' : ' not'} told of a log that was cut at ${cut}`,
    async t => {
      const held = holding(FILTERED, 2, 'before')
      const { url, lay, pool, events } = await start(t, { reading: held.reading })
      await lay([3_000, 'rare', 20_000])
      const client = await openStream(t, `${url}?from=beginning&types=rare`)
      await until('it is in the middle', held.holds)

      await pool.query('delete from sluice.events where "position" > $1', [cut])
      held.release()
      if (told) await client.until(1, 'reset')
      await lay(['rare'])
      await until('it goes on', () => rare(client).length === 2)

      t.strictSame(rare(client), [events[3_000]?.id, events.at(-1)?.id])
      const resets = client.messages
        .filter(({ event }) => event === 'reset')
        .map(({ data }) => JSON.parse(data))
      t.match(resets, told ? [{ reason: 'history-lost', head: events[cut - 1]?.id }] : [])
      t.equal(resets.length, told ? 1 : 0)
    },
  )
}

t.test('a filtered page that was read before a restart is not sent after it', async t => {
  const held = holding(FILTERED, 1)
  const { url, lay, pool, tailer, hub, events } = await start(t, { reading: held.reading })
  await lay([3_000, 'rare', 9_000])
  const handle = await hub.open('acme', 'feed')
  t.teardown(() => handle?.release())
  const client = await openStream(t, `${url}?from=beginning&types=rare,thing.new`)
  await until('the page is there', held.holds)

  await replaceTail(pool, 1, 20)
  tailer.wake('all')
  await until('the restart', () => handle?.stream.head.position === 21)
  held.release()
  await lay(['rare'])
  await until('it goes on', () => rare(client).includes(events.at(-1)?.id))

  t.match(client.messages, [{ event: 'server.state' }, { event: 'rare', id: events.at(-1)?.id }])
  t.equal(client.messages.length, 2)
})

t.test('a filtered client that does not read costs no more than any other', async t => {
  const { url, append, lay, sinks, idsOf, mostPending, events } = await start(t)
  for (let n = 0; n < 30; n += 1) {
    await lay([700])
    const ids = await append(40, PAGE_OF_TEXT, 'rare')
    events.push(...ids.map(id => ({ id, type: 'rare' })))
  }

  const client = await openStream(t, `${url}?from=beginning&types=rare`)
  client.response.pause()
  await until('it is full', () => sinks[0]?.full === true)
  client.response.resume()
  await until('it has all', () => rare(client).length === 1_200)

  t.strictSame(rare(client), idsOf('rare'))
  t.ok(mostPending() < 2 * HIGH_WATER_BYTES + 5_000, `${mostPending()} bytes waited`)
})

interface Laid {
  readonly id: string
  readonly type: string
}

/** A hub that counts its reads, and a log that the test fills: with a number of other events, or with one of a type. */
async function start(t: Test, options: TestHubOptions = {}) {
  const counts = new Map<string, number>()
  const { reading = database => database } = options
  const hub = await startHub(t, {
    ...options,
    reading: database => observed(reading(database), name => counts.set(name, (counts.get(name) ?? 0) + 1)),
  })
  const events: Laid[] = []
  const lay = async (plan: readonly (number | string)[]) => {
    const types = plan.flatMap(part =>
      typeof part === 'string' ? part : Array<string>(part).fill('thing.made'),
    )
    const ids = await hub.append(types.length, '{}', types)
    events.push(...ids.map((id, n) => ({ id, type: types[n] ?? '' })))
  }
  return {
    ...hub,
    events,
    lay,
    reset: () => counts.clear(),
    count: (name: string) => counts.get(name) ?? 0,
    idsOf: (prefix: string) => events.filter(({ type }) => type.startsWith(prefix)).map(({ id }) => id),
  }
}

/** Holds back the answer of the nth statement of that name, or the statement itself, until it is released. */
function holding(name: string, nth: number, when: 'before' | 'after' = 'after') {
  let seen = 0
  let release: (() => void) | undefined
  const hold = async (statement: string) => {
    if (statement !== name) return
    seen += 1
    if (seen !== nth) return
    await new Promise<void>(resolve => {
      release = resolve
    })
  }
  const pass = () => {}
  return {
    reading: (database: Parameters<typeof observed>[0]) =>
      when === 'before' ? observed(database, hold) : observed(database, pass, hold),
    holds: () => release !== undefined,
    release: () => release?.(),
  }
}

function rare({ messages }: EventStream): (string | undefined)[] {
  return messages.filter(({ event }) => event?.startsWith('rare')).map(({ id }) => id)
}

function matches(term: string, type: string): boolean {
  return term.endsWith('*') ? type.startsWith(term.slice(0, -1)) : type === term
}

/** Whether the client's cursor is that event, which its filter may not match. */
function ends(client: EventStream, id: string | undefined): () => boolean {
  return () => client.text().slice(-500).includes(`id: ${id}\n`)
}
