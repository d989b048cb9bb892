/**
 * A history of a run in which everything went well, of any size, from a seed: several streams, publishers that fail on purpose, a lost
 * tail, retention, a job with its end, and clients that come and go. It is made as it is read, so a large one takes no memory.
 */
import { Random } from '../end-to-end/random.js'
import { consumed, delivered, ranJob } from './generated-work.js'
import type { Entry, EntryOf } from './history.js'
import { matches } from './stream-log.js'

export interface Shape {
  readonly seed: number
  /** Published events, over all streams. */
  readonly events: number
  readonly clients: number
}

export const FORMS = ['sse', 'ndjson'] as const
const FEED = 'acme/feed'
const OTHER = 'globex/feed'
/** Loses its tail. */
const ORDERS = 'acme/orders'
const JOB = 'acme/job:1'
const STREAMS = [FEED, OTHER, ORDERS] as const
const TYPES = ['order.placed', 'order.paid', 'note', 'alarm.raised'] as const
const BASE = '0.aaaaaa'
const LOST = 3

interface Stored {
  readonly id: string
  readonly position: number
  readonly row: EntryOf<'row'>
}

class Generated {
  readonly random: Random
  readonly rows = new Map<string, Stored[]>()
  /** Of ORDERS: what a failover took, in the place of the last events. */
  lost: readonly Stored[] = []
  #t = 0

  constructor(readonly shape: Shape) {
    this.random = new Random(shape.seed)
  }

  get t(): number {
    this.#t += 1
    return this.#t
  }

  *publishes(): Generator<Entry> {
    const { random, shape } = this
    for (const stream of [...STREAMS, JOB]) this.rows.set(stream, [])
    for (let number = 1, count = 0; count < shape.events; number += 1) {
      const streams = random.chance(0.2) ? [FEED, OTHER] : [random.pick(STREAMS)]
      count += yield* this.publish(`p${number}`, streams)
    }
    const types = ['job.created', 'job.started', 'output', 'output', 'job.completed']
    for (const [index, type] of types.entries()) yield* this.publish(`j${index}`, [JOB], type)
    yield* this.loseTail()
  }

  *publish(publish: string, streams: readonly string[], type?: string): Generator<Entry, number> {
    const { random } = this
    const events = streams.flatMap((stream, place) =>
      Array.from({ length: type ? 1 : random.between(1, 3) }, (_, n) => ({
        stream,
        mark: `${publish}-${place}-${n}`,
      })),
    )
    yield { k: 'started', t: this.t, publish, events }
    const isSure = type !== undefined
    const failed = !isSure && random.chance(0.1)
    const unknown = !isSure && !failed && random.chance(0.1)
    const undone = !isSure && events.length > 2 && random.chance(0.3) ? [events[0]?.mark ?? ''] : []
    const isStored = !failed && !(unknown && random.chance(0.5))
    for (const { stream, mark } of isStored ? events : [])
      if (!undone.includes(mark)) this.#append(stream, type ?? random.pick(TYPES), mark)
    const outcome = failed ? 'failed' : unknown ? 'unknown' : 'acknowledged'
    const more = { ...(failed && { why: 'rolled back' }), ...(undone.length > 0 && { undone }) }
    yield { k: 'outcome', t: this.t, publish, outcome, ...more }
    return events.length
  }

  /** The last events of ORDERS were acknowledged and are lost; others take their positions. */
  *loseTail(): Generator<Entry> {
    const stored = this.rows.get(ORDERS) ?? []
    for (let n = 0; n < LOST; n += 1) yield* this.publish(`lost${n}`, [ORDERS], 'note')
    const kept = stored.at(-LOST - 1)?.id
    const lost = stored.splice(-LOST)
    this.lost = lost.map((each, n) => {
      const after = n === 0 ? kept : lost[n - 1]?.id
      return { ...each, row: { ...each.row, lost: true, ...(after !== undefined && { after }) } }
    })
    yield { k: 'fault', t: this.t, fault: 'lost-tail', stream: ORDERS }
    for (let n = 0; n <= LOST; n += 1) yield* this.publish(`after${n}`, [ORDERS], 'note')
  }

  *table(): Generator<Entry> {
    for (const [stream, stored] of this.rows) {
      const terminal = stream === JOB ? { terminal: ['job.completed', 'job.failed'] } : {}
      yield { k: 'log', stream, base: BASE, ...terminal }
      for (const { row } of stored) yield row
    }
    for (const { row } of this.lost) yield row
  }

  #append(stream: string, type: string, mark: string): void {
    const stored = this.rows.get(stream) ?? []
    const position = stored.length + 1
    const check = Array.from({ length: 6 }, () =>
      this.random.pick([...'abcdefghijklmnopqrstuvwxyz234567']),
    ).join('')
    const id = `${position}.${check}`
    const hash = () => this.random.between(0, 0x7fffffff).toString(16).padStart(12, '0')
    stored.push({
      id,
      position,
      row: {
        k: 'row',
        stream,
        id,
        type,
        h: { sse: hash(), ndjson: hash() },
        mark,
        ...(stream === JOB && { by: 'runner' }),
        ...(type === 'job.started' && { attempt: 1 }),
      },
    })
  }
}

export function* generateHistory(shape: Shape): Generator<Entry> {
  const world = new Generated(shape)
  yield { k: 'history', version: 1, seed: shape.seed, planned: ['lost-tail', 'gateway-killed'] }
  yield { k: 'bound', measure: 'rss', most: 512, growth: 64 }
  yield { k: 'bound', measure: 'sockets', growth: 0 }
  yield { k: 'sample', t: 0, process: 'gateway', phase: 'base', measures: { rss: 100, sockets: 3 } }
  yield* world.publishes()
  yield { k: 'fault', t: world.t, fault: 'gateway-killed' }
  const lives = Array.from({ length: shape.clients }, (_, n) => live(world, n))
  while (lives.length > 0) {
    const index = world.random.between(0, lives.length - 1)
    for (let left = world.random.between(1, 40); left > 0; left -= 1) {
      const { value, done } = lives[index]?.next() ?? { done: true }
      if (value) yield value
      if (!done) continue
      lives.splice(index, 1)
      break
    }
  }
  const work = { rows: (world.rows.get(FEED) ?? []).map(({ row }) => row), base: BASE, now: () => world.t }
  yield* consumed(work)
  yield* delivered(work)
  yield* ranJob(JOB, work.now)
  yield { k: 'healed', t: world.t, fault: 'gateway-killed' }
  yield { k: 'quiet', t: world.t }
  yield { k: 'sample', t: world.t, process: 'gateway', phase: 'end', measures: { rss: 120, sockets: 3 } }
  yield* world.table()
}

/** One client from its first connection until it has everything. */
function* live(world: Generated, n: number): Generator<Entry> {
  const { random } = world
  const c = `c${n}`
  // The first clients are of each kind.
  const stream = n === 3 ? JOB : (STREAMS[n % STREAMS.length] ?? FEED)
  const form = FORMS[n % 2] ?? 'sse'
  const types = n % 5 === 1 ? ['order.*', 'lost'] : undefined
  const granted = n % 7 === 4 ? ['note', 'order.paid'] : undefined
  const client = { form, ...(types && { types }), ...(granted && { granted }) }
  yield { k: 'client', client: c, stream, from: 'beginning', ...client }
  const stored = world.rows.get(stream) ?? []
  const before = stored.slice(0, -LOST - 1)
  const sawLoss = stream === ORDERS && !types && !granted
  const due = sawLoss ? [...before, ...world.lost] : stored
  const state = { n: 0, id: undefined as string | undefined, place: 0 }
  const journey = { world, c, client, state }
  yield* visit(journey, due)
  if (stream === JOB) yield { k: 'close', t: world.t, c, n: state.n, by: 'server' }
  if (!sawLoss) return
  const [head] = stored.slice(-2)
  if (!head) return
  yield { k: 'notice', t: world.t, c, n: state.n, name: 'reset', id: head.id, reason: 'history-lost' }
  state.id = head.id
  for (const each of stored.slice(-1)) yield frameOf(world, c, state.n, each, form)
  yield { k: 'close', t: world.t, c, n: state.n, by: random.pick(['client', 'server']) }
}

interface Journey {
  readonly world: Generated
  readonly c: string
  readonly client: Pick<EntryOf<'client'>, 'form' | 'types' | 'granted'>
  readonly state: { n: number; id: string | undefined; place: number }
}

/** Reads all of them, over several connections, and does not close the last one. */
function* visit({ world, c, client, state }: Journey, due: readonly Stored[]): Generator<Entry> {
  const { random } = world
  do {
    state.n += 1
    const { n } = state
    const at = () => ({ t: world.t, c, n })
    yield { k: 'open', ...at(), ...(state.id !== undefined && { id: state.id }) }
    const isRefused = random.chance(0.1)
    yield { k: 'status', ...at(), status: isRefused && random.chance(0.5) ? 503 : 200 }
    if (isRefused) {
      const place = state.id === undefined ? {} : { id: state.id }
      yield { k: 'notice', ...at(), name: 'unavailable', reason: 'limit', ...place }
      yield { k: 'close', ...at(), by: 'server' }
      continue
    }
    state.id ??= BASE
    yield { k: 'notice', ...at(), name: 'server.state', id: state.id }
    const stay = random.between(5, 60)
    for (const each of due.slice(state.place, state.place + stay)) {
      state.place += 1
      if (matches(each.row.type, client.types) && matches(each.row.type, client.granted))
        yield frameOf(world, c, n, each, client.form)
      else if (!random.chance(0.05)) continue
      state.id = each.id
      if (random.chance(0.05)) yield { k: 'notice', ...at(), name: 'heartbeat', id: each.id }
    }
    if (state.place < due.length) yield { k: 'close', ...at(), by: random.pick(['client', 'broken']) }
  } while (state.place < due.length)
}

function frameOf(world: Generated, c: string, n: number, { id, row }: Stored, form: string): Entry {
  return { k: 'frame', t: world.t, c, n, id, type: row.type, h: row.h[form] ?? '' }
}
