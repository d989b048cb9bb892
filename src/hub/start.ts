/**
 * Where a subscription starts. An id that a client brings back is accepted only if the event at its position is the one that
 * the id names. Otherwise the client gets `reset` and continues at the head, so it never skips events without knowing (I4).
 */
import { FairGate } from '../database/fair-gate.js'
import type { Database } from '../database/pool.js'
import type { Position } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import { type EventId, isIdOf } from '../log/event-id.js'
import { readLastBefore } from '../log/event-time.js'
import { assertIndexed, type KeyPath } from '../log/latest.js'
import { type Bounds, type Head, type Place, readBounds, readPlace } from '../log/log.js'
import { readNthNewest } from '../log/newest.js'
import type { TypeFilter } from '../log/type-filter.js'
import type { Encoding } from '../sse/encoding.js'
import { type Cursor, cursorId, isAt } from './cursor.js'
import type { HubStream } from './hub-stream.js'
import type { LatestRange } from './latest-frames.js'
import type { Pages } from './pages.js'
import { hasGone, type Presence, throwIfGone } from './presence.js'
import type { Discontinuity } from './tailed-stream.js'

export type StartAt =
  | { readonly at: 'now' | 'beginning' }
  /** Before the first event of this time or later. */
  | { readonly at: 'time'; readonly time: Date }
  /** Before the newest `count` events that match the filter. */
  | { readonly at: 'newest'; readonly count: number }
  /** Before the newest event of each key; events that a newer one has superseded are passed over. */
  | { readonly at: 'latest'; readonly key: KeyPath; readonly omitted?: TypeFilter | undefined }
  /** After an event; `unknown` if the client brought a text that is no event id. */
  | { readonly at: 'after'; readonly id: EventId | 'unknown' }

/** The content that a client gets before the events. */
export interface Opening {
  readonly frames: readonly Buffer[]
  /** Where the events start after the opening; default: where they would start without one. */
  readonly from?: StartAt
}

/** The data of `reset`: the client cannot continue where it was, and continues at `head`. */
export interface Reset {
  readonly reason: Discontinuity | 'unknown-id' | 'deleted'
  /** Following from here gives everything that is still stored. */
  readonly earliest: string
  readonly head: string
}

export interface Start {
  readonly cursor: Cursor
  readonly reset?: Reset
  /** Up to its end, only the newest event of each key is read. */
  readonly latest?: LatestRange
}

export function resetTo(bounds: Bounds, reason: Reset['reason']): Reset {
  return { reason, earliest: cursorId(bounds.base), head: cursorId(bounds.head) }
}

/** For the followers of a stream that was deleted: a later stream of its name is another history, which starts here. */
export const DELETED: Reset = { reason: 'deleted', earliest: '0', head: '0' }

export function resetNotice(encoding: Encoding, reset: Reset): Buffer | undefined {
  return encoding.notice({ name: 'reset', data: reset, id: reset.head })
}

/** Why the log does not continue a cursor; undefined if it does. */
export function lossOf({ position, eventId }: Cursor, place: Place): Discontinuity | undefined {
  if (place.eventId === undefined) return position < place.base.position ? 'retention' : 'history-lost'
  return (eventId ?? place.eventId) === place.eventId ? undefined : 'history-lost'
}

/** Reads of starts at a time, and one that the gate keeps free. */
const TURNS = 5

export class Starts {
  readonly #turns = new FairGate(TURNS)

  constructor(
    readonly database: Database,
    readonly pages: Pages,
  ) {}

  /**
   * @param client the one that waits for the start. Without it, nothing further is read.
   * @throws {Problem} 503 `database-busy`; the reason of `client.gone`.
   */
  async resolve(
    stream: HubStream,
    start: StartAt,
    filter?: EventFilter,
    client: Presence = {},
  ): Promise<Start> {
    switch (start.at) {
      case 'now':
        return { cursor: stream.head }
      case 'beginning':
        return { cursor: (await this.#boundsFor(client, stream)).base }
      case 'time': {
        const read = () => readLastBefore(this.database, stream.id, start.time, stream.named)
        return { cursor: (await this.#inTurn(client, stream, read)) ?? NOWHERE }
      }
      case 'latest':
        return this.#latest(client, stream, start)
      case 'newest':
        return { cursor: await this.#newest(client, stream, start.count, filter) }
      case 'after':
        return start.id === 'unknown'
          ? resetAt(await this.#boundsFor(client, stream), 'unknown-id')
          : this.#after(client, stream, start.id)
    }
  }

  async #latest(
    client: Presence,
    stream: HubStream,
    { key, omitted }: Extract<StartAt, { at: 'latest' }>,
  ): Promise<Start> {
    const upTo = stream.head
    const { base } = await this.#boundsFor(client, stream)
    const look = () => assertIndexed(this.database, stream.id, key, upTo.position - base.position)
    await this.#inTurn(client, stream, look)
    return { cursor: base, latest: { key, upTo, omitted } }
  }

  async #newest(client: Presence, stream: HubStream, count: number, filter?: EventFilter): Promise<Cursor> {
    const { base, head } = await this.#boundsFor(client, stream)
    const read = (by: EventFilter) => () => readNthNewest(this.database, stream.id, count, by)
    const first = filter
      ? await this.pages.slots.filtering(read(filter), () => !hasGone(client))
      : Math.max(base.position, head.position - count) + 1
    throwIfGone(client)
    if (first === undefined || first > head.position) return head
    const position = Math.max(base.position, first - 1) as Position
    // Everything that this process keeps belongs to the history that ends with its head.
    const known = isAt(head, stream.head) ? stream.eventIdAt(position) : undefined
    if (known !== undefined) return { position, eventId: known }
    const place = await this.#placeFor(client, stream, position)
    if (place.eventId !== undefined) return { position, eventId: place.eventId }
    // The event there was removed a moment ago, by retention or with a lost tail.
    return position < place.base.position ? place.base : place.head
  }

  async #after(client: Presence, stream: HubStream, id: EventId): Promise<Start> {
    const { position } = id
    const known = stream.eventIdAt(position) ?? (await this.#inPages(client, stream, position))
    if (known !== undefined && isIdOf(id, known)) return { cursor: { position, eventId: known } }
    // Only the log itself can refuse an id: this process's copy may belong to a lost history, or be behind the process that
    // gave the client the id.
    const place = await this.#placeFor(client, stream, position)
    const { eventId } = place
    if (eventId !== undefined && known !== undefined && eventId !== known) stream.verify()
    if (eventId !== undefined && isIdOf(id, eventId)) return { cursor: { position, eventId } }
    if (position < place.base.position) return resetAt(place, 'retention')
    return resetAt(place, eventId === undefined && id.check === undefined ? 'unknown-id' : 'history-lost')
  }

  async #inPages(client: Presence, stream: HubStream, position: Position): Promise<string | undefined> {
    if (position === 0 || position >= stream.head.position) return undefined
    const found = await this.pages.eventIdAt(stream, position, () => !hasGone(client))
    throwIfGone(client)
    return found
  }

  #boundsFor(client: Presence, stream: HubStream): Promise<Bounds> {
    return this.#inTurn(client, stream, () => this.bounds(stream))
  }

  #placeFor(client: Presence, stream: HubStream, position: Position): Promise<Place> {
    return this.#inTurn(client, stream, () => this.place(stream, position))
  }

  /** Thousands of clients that come back may each need a read. Those of one workspace, and those that have gone, hold up no others (I5). */
  #inTurn<T>(client: Presence, { named }: HubStream, read: () => Promise<T>): Promise<T> {
    return this.#turns.run(named?.workspace ?? '', read, () => client.gone)
  }

  /** Why nothing continues a cursor; undefined if the log has it, so that the stream's copy of the log is wrong or behind. */
  async askLog(
    stream: HubStream,
    cursor: Cursor,
  ): Promise<{ why: Discontinuity | 'deleted' | undefined; place: Place }> {
    const place = await this.place(stream, cursor.position)
    const why = place.base === NOWHERE ? 'deleted' : lossOf(cursor, place)
    if (why !== 'retention') stream.verify()
    return { why, place }
  }

  /** The base and the head of a stream. */
  async bounds({ id, named }: HubStream): Promise<Bounds> {
    const bounds = await readBounds(this.database, id, named)
    return bounds ?? { base: NOWHERE, head: NOWHERE }
  }

  /** The event that the log has at a position, and the bounds of the log, in one snapshot. */
  async place({ id, named }: HubStream, position: Position): Promise<Place> {
    const place = await readPlace(this.database, id, position, named)
    return place ?? { base: NOWHERE, head: NOWHERE, eventId: undefined }
  }
}

function resetAt(bounds: Bounds, reason: Reset['reason']): Start {
  return { cursor: bounds.head, reset: resetTo(bounds, reason) }
}

/** Stands for a stream that was deleted while it was being opened, or whose number is that of another one; the tailer ends its subscriptions. */
const NOWHERE: Head = { position: 0 as Position, eventId: '00000000-0000-4000-8000-000000000000' }
