/**
 * Where a subscription starts. An id that a client brings back is believed only if the event at its position is
 * the one that it names; otherwise the client is told by `reset` and goes on from the head, so that it
 * never skips events without knowing (I4).
 */
import type { Database } from '../database/pool.js'
import type { Position, StreamId } from '../events/event.js'
import { checkOf, type EventId } from '../events/event-id.js'
import { type Bounds, type Head, readBounds, readEvent } from '../events/log.js'
import { readNthNewest } from '../events/newest.js'
import type { TypeFilter } from '../events/type-filter.js'
import { type Cursor, cursorId } from './cursor.js'
import type { HubStream } from './hub-stream.js'
import type { Pages } from './pages.js'
import type { Discontinuity } from './tailer.js'

export type StartAt =
  | { readonly at: 'now' | 'beginning' }
  /** Before the newest `count` events that the filter lets through. */
  | { readonly at: 'newest'; readonly count: number }
  /** After an event; `unknown` is what a client brought that is no event id. */
  | { readonly at: 'after'; readonly id: EventId | 'unknown' }

/** What a client hears before the events. */
export interface Opening {
  readonly frames: readonly Buffer[]
  /** Where the events start after that, if not where they would without. */
  readonly from?: StartAt
}

/** What `reset` says: the client cannot go on where it was; it goes on from `head`. */
export interface Reset {
  readonly reason: Discontinuity | 'unknown-id'
  /** Following from here shows all that is still stored. */
  readonly earliest: string
  readonly head: string
}

export interface Start {
  readonly cursor: Cursor
  readonly reset?: Reset
}

export function resetTo(bounds: Bounds, reason: Reset['reason']): Reset {
  return { reason, earliest: cursorId(bounds.base), head: cursorId(bounds.head) }
}

export class Starts {
  constructor(
    readonly database: Database,
    readonly pages: Pages,
  ) {}

  async resolve(stream: HubStream, start: StartAt, filter?: TypeFilter): Promise<Start> {
    switch (start.at) {
      case 'now':
        return { cursor: stream.head }
      case 'beginning':
        return { cursor: (await this.bounds(stream.id)).base }
      case 'newest':
        return { cursor: await this.#newest(stream, start.count, filter) }
      case 'after':
        return start.id === 'unknown' ? this.#reset(stream.id, 'unknown-id') : this.#after(stream, start.id)
    }
  }

  async #newest(stream: HubStream, count: number, filter?: TypeFilter): Promise<Cursor> {
    const { base, head } = await this.bounds(stream.id)
    const first = filter
      ? await readNthNewest(this.database, stream.id, count, filter)
      : Math.max(base.position, head.position - count) + 1
    if (first === undefined || first > head.position) return head
    const position = Math.max(base.position, first - 1) as Position
    const eventId = await this.#eventIdAt(stream, position)
    return { position, ...(eventId !== undefined && { eventId }) }
  }

  async #after(stream: HubStream, id: EventId): Promise<Start> {
    const eventId = await this.#eventIdAt(stream, id.position)
    if (eventId !== undefined) {
      const same = id.check === undefined || id.check === checkOf(eventId)
      return same ? { cursor: { position: id.position, eventId } } : this.#reset(stream.id, 'history-lost')
    }
    const bounds = await this.bounds(stream.id)
    if (id.position < bounds.base.position) return this.#reset(stream.id, 'retention')
    return this.#reset(stream.id, id.check === undefined ? 'unknown-id' : 'history-lost')
  }

  /** The UUID of the event at a position, or of the base; undefined when the log has none there. */
  async #eventIdAt(stream: HubStream, position: Position): Promise<string | undefined> {
    const known = stream.eventIdAt(position)
    if (known !== undefined) return known
    if (position > 0 && position < stream.head.position) {
      const [frames] = await this.pages.after(stream, (position - 1) as Position)
      if (frames?.position === position) return frames.event.eventId
    }
    // Ahead of this process's tailer, perhaps: the client may have seen it from another one.
    const event = await readEvent(this.database, stream.id, position)
    if (event) return event.eventId
    const { base } = await this.bounds(stream.id)
    return base.position === position ? base.eventId : undefined
  }

  async #reset(id: StreamId, reason: Reset['reason']): Promise<Start> {
    const bounds = await this.bounds(id)
    return { cursor: bounds.head, reset: resetTo(bounds, reason) }
  }

  /** Where the stored part of a stream begins and ends. */
  async bounds(id: StreamId): Promise<Bounds> {
    const bounds = await readBounds(this.database, id)
    return bounds ?? { base: NOWHERE, head: NOWHERE }
  }
}

/** Of a stream that vanished while it was being opened; the tailer ends its subscriptions. */
const NOWHERE: Head = { position: 0 as Position, eventId: '00000000-0000-4000-8000-000000000000' }
