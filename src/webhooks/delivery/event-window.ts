/**
 * The events that a lane has read ahead, in the order of the log: at most 256 events and 1 MiB, and only as many of them in memory
 * as HeldEvents has room for. Of the others it keeps the place: they are read again when they are sent. The same happens to all of
 * them when stored events of the stream were changed, such as by a redaction, and while a failing endpoint waits.
 */
import type { Cursor } from '../../hub/cursor.js'
import type { StoredEvent } from '../../log/event.js'
import type { HeldEvents } from './held-events.js'

/** Events that one read returns at most, and a lane reads only when it has none left. */
export const WINDOW_EVENTS = 256
const MAX_BYTES = 1024 * 1024

/** An event that is to be sent. */
export interface Item {
  readonly cursor: Required<Cursor>
  /** The time of the event, in milliseconds since 1970. */
  readonly at: number
  /** The edition of the stream when it was read: in another one the event may have been changed. */
  readonly edition: number
  /** The event as it was read, if it was kept. */
  event?: StoredEvent | undefined
  /** The memory that counts for it. */
  bytes: number
}

export class EventWindow {
  readonly #held: HeldEvents
  #items: Item[] = []
  #bytes = 0

  constructor(held: HeldEvents) {
    this.#held = held
  }

  get first(): Item | undefined {
    return this.#items[0]
  }

  add(event: StoredEvent, edition: number): void {
    const { position, eventId } = event
    const item: Item = { cursor: { position, eventId }, at: event.at.getTime(), edition, bytes: 0 }
    const bytes = this.#bytes < MAX_BYTES ? this.#held.keep(event, this.#bytes) : undefined
    if (bytes !== undefined) {
      item.event = event
      item.bytes = bytes
      this.#bytes += bytes
    }
    this.#items.push(item)
  }

  /** Takes the first one. Its memory counts until it is released, because it may wait long for its turn. */
  shift(): Item | undefined {
    return this.#items.shift()
  }

  /** Puts back an item that was taken and not sent. Only its place: it is read again. */
  putBack(item: Item): void {
    this.release(item)
    const { cursor, at, edition } = item
    const after = this.#items.findIndex(item => item.cursor.position > cursor.position)
    this.#items.splice(after < 0 ? this.#items.length : after, 0, { cursor, at, edition, bytes: 0 })
  }

  /** Drops the events, and keeps their places. */
  forgetEvents(): void {
    for (const item of this.#items) {
      this.release(item)
      item.event = undefined
    }
  }

  clear(): void {
    for (const item of this.#items) this.release(item)
    this.#items = []
  }

  /** Releasing twice is fine. */
  release(item: Item): void {
    this.#held.drop(item.bytes)
    this.#bytes -= item.bytes
    item.bytes = 0
  }
}
