/**
 * A log in memory that answers the statements of src/log/ as the database does, and that can lose its tail. It remembers
 * every event that it ever had, with the event before it, so it knows which event continues which, even after a loss.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Database } from '../../../src/database/pool.js'
import type { Committed } from '../../../src/log/committed.js'
import type { Position, StoredEvent, StreamId } from '../../../src/log/event.js'
import type { EventFilter } from '../../../src/log/event-filter.js'
import { formatEventId } from '../../../src/log/event-id.js'
import type { Head } from '../../../src/log/log.js'
import type { Random } from '../../harness/random.js'

export const STREAM = 1 as StreamId

/** An event or a base, and the place before it. */
export interface Known extends Head {
  readonly type: string
  /** Undefined for a base. */
  readonly event: StoredEvent | undefined
  readonly before: Known | undefined
}

type Snapshot = { readonly base: Head; readonly events: readonly StoredEvent[] }
type Answer = (values: never, log: Snapshot) => object[]

export class ModelLog {
  readonly known = new Map<string, Known>()
  #now: Snapshot
  /** The log before its last loss. */
  #lost: Snapshot
  #ids = 0
  /** Statements that the product has sent and that have no answer here: they fail, as they would nowhere else. */
  readonly unanswered = new Set<string>()

  constructor() {
    const base = { position: 0 as Position, eventId: this.#newId() }
    this.#now = { base, events: [] }
    this.#lost = this.#now
    this.known.set(formatEventId(0 as Position, base.eventId), {
      ...base,
      type: '',
      event: undefined,
      before: undefined,
    })
  }

  get base(): Head {
    return this.#now.base
  }

  get events(): readonly StoredEvent[] {
    return this.#now.events
  }

  get head(): Head {
    return headOf(this.#now)
  }

  get headId(): string {
    return formatEventId(this.head.position, this.head.eventId)
  }

  /** Whether the log has this place now. */
  has({ position, eventId }: Head): boolean {
    return placeIn(this.#now, position) === eventId
  }

  /** Whether this place belongs to the history that ends with the head, even if retention has removed it. */
  descendsFrom({ eventId }: Head): boolean {
    for (let at = this.known.get(this.headId); at; at = at.before) if (at.eventId === eventId) return true
    return false
  }

  /** In one transaction: loses the newest events, as many as `lost`, and appends one of each type. @param data default: made up. */
  change(losing: number, types: readonly string[], data?: readonly string[]): Committed {
    const { base, events } = this.#now
    if (losing > 0) this.#lost = this.#now
    const kept = events.slice(0, Math.max(0, events.length - losing))
    const first = kept.length
    let last = headOf({ base, events: kept })
    let before = this.known.get(formatEventId(last.position, last.eventId))
    const previous = last.eventId
    for (const [index, type] of types.entries()) {
      const eventId = this.#newId()
      const event = {
        position: (last.position + 1) as Position,
        eventId,
        at: new Date(0),
        type,
        data: data?.[index] ?? `{"id":"${eventId}","x":"${'x'.repeat(type === 'large' ? 20_000 : 10)}"}`,
      }
      const known: Known = { position: event.position, eventId, type, event, before }
      this.known.set(formatEventId(event.position, eventId), known)
      kept.push(event)
      before = known
      last = event
    }
    this.#now = { base, events: kept }
    return { streamId: STREAM, previous, events: kept.slice(first) }
  }

  /** Removes the oldest events, as many as `count`. */
  retain(count: number): void {
    const { events } = this.#now
    const base = events[Math.min(count, events.length) - 1]
    if (base) this.#now = { base, events: events.slice(count) }
  }

  /** The rows that the log returns now, or that it would have returned before its last loss. */
  answer(name: string, values: never, beforeLoss = false): object[] {
    const answer = ANSWERS[name]
    if (!answer) {
      this.unanswered.add(name)
      throw new Error(`The model has no answer to ${name}.`)
    }
    return answer(values, beforeLoss ? this.#lost : this.#now)
  }

  /** Answers after a while, when the answer may be old; while `behind`, it answers from the lost log. */
  database(random: Random, behind: () => boolean = () => false): Database {
    const wait = async () => {
      for (let turns = random.integer(4); turns > 0; turns -= 1) await turn()
    }
    const query = async ({ name, values }: { name: string; values: never }) => {
      await wait()
      const rows = this.answer(name, values, behind())
      await wait()
      return { rows }
    }
    return { query, options: { max: 1 } } as unknown as Database
  }

  /** The same ones in each run of the same steps. Their first 30 bits, which clients see, differ. */
  #newId(): string {
    this.#ids += 1
    const scattered = Math.imul(this.#ids, 0x9e3779b1) >>> 0
    return `${scattered.toString(16).padStart(8, '0')}-0000-4000-8000-${this.#ids.toString(16).padStart(12, '0')}`
  }
}

/** Whether the filter matches none of the events between two places, of which the second is later in the same history. */
export function continues(last: Known, next: Known, filter: EventFilter | undefined): boolean {
  for (let { before } = next; before; { before } = before) {
    if (before.eventId === last.eventId) return true
    if (!filter || filter.types.matches(before.type) || before.position <= last.position) return false
  }
  return false
}

function headOf({ base, events }: Snapshot): Head {
  return events.at(-1) ?? base
}

function placeIn({ base, events }: Snapshot, position: Position): string | undefined {
  return position === base.position ? base.eventId : events[position - base.position - 1]?.eventId
}

function bounds(log: Snapshot) {
  const [base, head] = [log.base, headOf(log)]
  return {
    basePosition: base.position,
    baseEventId: base.eventId,
    position: head.position,
    eventId: head.eventId,
  }
}

function after({ base, events }: Snapshot, position: Position, limit: number): readonly StoredEvent[] {
  const first = Math.max(0, position - base.position)
  return events.slice(first, first + limit)
}

function rowsOf(anchor: string | undefined, events: readonly StoredEvent[]): object[] {
  const known = anchor ?? null
  if (events.length === 0) return [{ anchor: known, position: null }]
  return events.map(({ position, eventId, at, type, data }) => {
    return { anchor: known, position, eventId, at, type, data }
  })
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  'sluice-find-ended': () => [],
  'sluice-read-bounds': (_: never, log) => [bounds(log)],
  'sluice-read-place': ([, position]: [StreamId, Position], log) => [
    { ...bounds(log), anchor: placeIn(log, position) ?? null },
  ],
  'sluice-read-page': ([, position, limit]: [StreamId, Position, number], log) =>
    rowsOf(placeIn(log, position), after(log, position, limit)),
  'sluice-read-filtered-page': (
    [, start, end, exact, , limit]: [StreamId, Position, Position, string[], string[], number],
    log,
  ) => {
    const stretch = log.base.position <= start ? after(log, start, end - start) : []
    const found = stretch.filter(({ position, type }) => exact.includes(type) || position === end)
    return rowsOf(placeIn(log, start), found.slice(0, limit))
  },
  'sluice-has-all': ([, positions, ids]: [StreamId, Position[], string[]], log) => [
    { all: positions.every((position, n) => placeIn(log, position) === ids[n]) },
  ],
  'sluice-read-nth-newest': ([, exact, , count]: [StreamId, string[], string[], number], { events }) => [
    { position: events.filter(({ type }) => exact.includes(type)).slice(-count)[0]?.position ?? null },
  ],
  'sluice-read-tails': (
    [[streamId], [position = 0 as Position], [id], limit]: [StreamId[], Position[], string[], number],
    log,
  ) => {
    const lost = placeIn(log, position) !== id
    const events = after(log, position, limit).map(({ position, eventId, at, type, data }) => {
      return { streamId, lost: false, position, eventId, at, type, data }
    })
    return lost ? [{ streamId, lost, position: null }, ...events] : events
  },
}
