/**
 * Tailer, recent frames, pages and subscriptions on a log that loses its tail at any moment: each client gets events that
 * continue what it has, by identity, or a reset first (I4).
 */
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Cursor } from '../../../src/hub/cursor.js'
import { readEventPage } from '../../../src/hub/event-page.js'
import { HubStream } from '../../../src/hub/hub-stream.js'
import { HubTally } from '../../../src/hub/hub-tally.js'
import { Pages } from '../../../src/hub/pages.js'
import { endlessPermit } from '../../../src/hub/permit.js'
import { type StartAt, Starts } from '../../../src/hub/start.js'
import { Subscription } from '../../../src/hub/subscription.js'
import { Tailer } from '../../../src/hub/tailer.js'
import { EventFilter } from '../../../src/log/event-filter.js'
import { parseEventId } from '../../../src/log/event-id.js'
import { sse } from '../../../src/sse/encoding.js'
import { type Response, Sink } from '../../../src/sse/sink.js'
import { silent } from '../../harness/hub.js'
import { byNight } from '../../harness/nightly.js'
import { type Random, randomFrom } from '../../harness/random.js'
import { until } from '../../harness/until.js'
import { type Known, ModelLog, STREAM } from './model-log.js'

/** Logs at the same time, and how often. */
const SEEDS = 8
const ROUNDS = byNight(1, 250)
const STEPS = 120
const OLD_EVENTS = 17_000
const RARE = EventFilter.ofTypes('rare')

for (const behind of [false, true]) {
  const readers = behind ? ', while its readers are led to the old primary' : ''
  t.test(`each client gets events that continue its own, or a reset first${readers}`, async t => {
    for (let round = 0; round < ROUNDS; round += 1) {
      // Each round closes its tailers, which hold its logs.
      await t.test(`round ${round}`, async t => {
        const seeds = Array.from({ length: SEEDS }, (_, n) => round * SEEDS + n)
        const found = await Promise.all(seeds.map(seed => run(t, seed, behind)))

        t.strictSame(found.flat(), [])
      })
    }
  })
}

/** @returns the violations that it found. */
async function run(t: Test, seed: number, withOldReaders: boolean): Promise<string[]> {
  const random = randomFrom(seed * 2 + Number(withOldReaders))
  const log = new ModelLog()
  let behind = false
  const database = log.database(random, () => withOldReaders && behind)
  const tailer = new Tailer({ database: log.database(random), bus: { status: 'off' }, logger: silent })
  log.change(0, typesOf(random, seed % 3 === 0 ? OLD_EVENTS : 600))
  const stream = new HubStream({
    id: STREAM,
    kind: 'feed',
    closed: false,
    head: log.head,
    pacing: tailer.pacing,
    tally: new HubTally(),
    compareHead: () => tailer.wake([STREAM]),
  })
  const starts = new Starts(database, new Pages(database))
  tailer.follow(stream)
  tailer.start()
  t.teardown(() => tailer.close())

  const wrong: string[] = []
  const note = (what: string) => wrong.push(`seed ${seed}: ${what}`)
  const clients: Client[] = []
  const ids = () => [...log.known.keys()]
  const startAt = (): StartAt => {
    const id = parseEventId(random.pick(['0', ...ids().slice(-700)]))
    const anywhere = { at: 'after', id: id ?? 'unknown' } as const
    const newest = { at: 'newest', count: random.integer(400) } as const
    return random.pick<StartAt>([{ at: 'beginning' }, { at: 'now' }, newest, anywhere, anywhere])
  }
  const come = async () => {
    const filter = random.pick([RARE, undefined])
    const start = await starts.resolve(stream, startAt(), filter)
    clients.push(new Client({ log, stream, starts, start, filter, random, note, exact: !withOldReaders }))
  }
  const ask = async () => {
    const [filter, from] = [
      random.pick([RARE, undefined]),
      log.known.get(random.pick(['', ...ids().slice(-700)])),
    ]
    if (!from) return
    const request = {
      workspace: 'acme',
      after: from,
      limit: 100,
      filter,
      waitMs: 0,
      signal: new AbortController().signal,
    }
    const page = await readEventPage(database, stream, request)
    if ('reason' in page) {
      if (log.has(from) && !withOldReaders) note('a page was refused that has its cursor')
    } else
      page.events.reduce<Known>((last, { position, eventId }) => {
        const event = log.known.get(ids().find(id => log.known.get(id)?.eventId === eventId) ?? '')
        if (!event || !continues(last, event, filter)) note(`a page has ${position} after ${last.position}`)
        return event ?? last
      }, from)
  }

  for (let step = 0; step < STEPS; step += 1) {
    const size = random.pick([1, 1, 3, 40, 400])
    const lost = random.integer(5) === 0 ? random.pick([1, 2, 5, size, 2_000]) : 0
    const committed = log.change(
      lost,
      random.integer(4) === 0 ? [] : typesOf(random, random.integer(size + 1)),
    )
    if (random.integer(2) === 0) void later(random, () => tailer.take([committed]))
    if (random.integer(40) === 0) log.retain(random.integer(log.events.length + 1))
    if (lost > 0) behind = random.integer(2) === 0
    if (random.integer(3) > 0) tailer.wake([STREAM])
    if (random.integer(3) === 0) void come()
    if (random.integer(6) === 0) void ask()
    if (random.integer(20) === 0) stream.recent.clear()
    for (let turns = random.integer(8); turns > 0; turns -= 1) await turn()
  }
  behind = false
  log.change(0, typesOf(random, 1))
  await until('everybody is at the head', () => clients.every(client => client.atHead), 60_000)

  for (const client of clients) client.finish()
  const back = await Promise.all(
    ids()
      .slice(-50)
      .map(id => resolveAgain(id)),
  )
  // A page of the old primary may be cached until a client finds that it continues no cursor.
  if (!withOldReaders && back.some(right => !right))
    note('an id was taken that is lost, or refused that is not')
  return wrong

  async function resolveAgain(id: string): Promise<boolean> {
    const place = log.known.get(id)
    const start = await starts.resolve(stream, { at: 'after', id: parseEventId(id) ?? 'unknown' })
    if (!place) return false
    // The process may still know an event that retention has removed, and everything after it.
    return start.reset === undefined ? log.descendsFrom(place) : !log.has(place)
  }
}

/** The response to a COMMIT may arrive late, after other commits and after reads that have seen it. */
async function later(random: Random, act: () => void): Promise<void> {
  for (let turns = random.integer(6); turns > 0; turns -= 1) await turn()
  act()
}

function typesOf(random: Random, count: number): string[] {
  return Array.from({ length: count }, () => {
    const n = random.integer(400)
    return n < 4 ? 'rare' : n < 8 ? 'large' : 'thing.made'
  })
}

/** Whether the filter matches none of the events between two places. */
function continues(last: Known, next: Known, filter: EventFilter | undefined): boolean {
  for (let { before } = next; before; { before } = before) {
    if (before.eventId === last.eventId) return true
    if (!filter || filter.types.matches(before.type) || before.position <= last.position) return false
  }
  return false
}

interface ClientOptions {
  readonly log: ModelLog
  readonly stream: HubStream
  readonly starts: Starts
  readonly start: Awaited<ReturnType<Starts['resolve']>>
  readonly filter: EventFilter | undefined
  readonly random: Random
  readonly note: (what: string) => void
  /** Whether a reset is allowed only if the log has lost the client's cursor. */
  readonly exact: boolean
}

/** A slow client that checks each block that it gets. */
class Client {
  readonly #options: ClientOptions
  readonly #subscription: Subscription
  #last: Known | undefined
  /** Its cursor when it last got an id. */
  #told: Cursor | undefined

  constructor(options: ClientOptions) {
    this.#options = options
    const { stream, starts, start, filter, random } = options
    const slow = async (_: unknown, __: unknown, done: () => void) => {
      for (let turns = random.integer(6); turns > 0; turns -= 1) await turn()
      done()
    }
    const sink = new Sink(new Writable({ write: slow }) as unknown as Response)
    const { write } = sink
    sink.write = payload => {
      for (const block of payload.bytes.toString().split('\n\n')) this.#hear(block)
      write.call(sink, payload)
    }
    this.#subscription = new Subscription({
      stream,
      starts,
      start,
      sink,
      encoding: sse,
      filter,
      logger: silent,
      permit: endlessPermit(),
      window: undefined,
      tooOldAt: Number.POSITIVE_INFINITY,
      heartbeatMs: 600_000,
      broughtId: undefined,
      client: undefined,
      openedAt: 0,
      onClosed: () => {},
    })
    this.#subscription.open('normal', [])
  }

  get atHead(): boolean {
    return this.#subscription.cursor.eventId === this.#options.log.head.eventId
  }

  /** Call it at the head: checks that no event is missing. */
  finish(): void {
    const { log, filter, note } = this.#options
    const head = log.known.get(log.headId)
    if (!head || !this.#last) note('a client has no cursor')
    else if (head.eventId !== this.#last.eventId && !continues(this.#last, head, filter))
      note('events are missing')
  }

  #hear(block: string): void {
    const field = (name: string) =>
      block
        .split('\n')
        .find(line => line.startsWith(`${name}: `))
        ?.slice(name.length + 2)
    const { log, start, filter, note, exact } = this.#options
    const [name, id] = [field('event'), field('id')]
    if (id === undefined) return
    const place = log.known.get(id)
    if (!place) note(`${id} was never stored`)
    else if (name === 'reset') {
      if (exact && this.#told?.eventId && log.has({ ...this.#told, eventId: this.#told.eventId }))
        note(`a reset without a loss at ${this.#told.position}`)
    } else if (name !== 'server.state' && this.#last && place.eventId !== this.#last.eventId) {
      if (!continues(this.#last, place, filter))
        note(`${place.position} does not continue ${this.#last.position}`)
    }
    this.#last = place
    this.#told = this.#subscription?.cursor ?? start.cursor
  }
}
