/**
 * The events that a lane is to send, in the order of the log: read ahead into its window, one read at a time, whenever the window
 * is empty and there may be more.
 */
import type { Cursor } from '../../hub/cursor.js'
import type { StreamId } from '../../log/event.js'
import { formatEventId } from '../../log/event-id.js'
import type { Message } from '../sending/message.js'
import type { Clock } from './clock.js'
import type { Delivery } from './delivery.js'
import { cursorOf } from './delivery.js'
import { type EventWindow, type Item, WINDOW_EVENTS } from './event-window.js'
import type { LaneHost } from './lane-host.js'
import type { LaneReader, Read } from './lane-reader.js'
import { OWN } from './lane-resets.js'

/** How a supply ends: everything was read, or the log no longer has its place. */
export type SupplyEnd = 'completed' | 'lost'

export interface LaneSupplyOptions {
  readonly host: Pick<LaneHost, 'read' | 'unreadable'>
  readonly reader: LaneReader
  readonly window: EventWindow
  /** Undefined: it reads nothing, and only loads single events. */
  readonly from: Required<Cursor> | undefined
  /** The last position. A supply with an end ends at the head too. */
  readonly to?: number | undefined
  /** Called after each read. `failed`: the log cannot be read now. */
  onRead(result: Exclude<Read['kind'], 'lost'> | Extract<Read, { kind: 'lost' }> | 'failed'): void
}

export class LaneSupply {
  readonly #options: LaneSupplyOptions
  #reached: Required<Cursor> | undefined
  #reading = false
  /** Whether there may be further events to read. */
  #readable: boolean
  /** Whether the log no longer has an event that was read. */
  #unverified = false
  end: SupplyEnd | undefined

  constructor(options: LaneSupplyOptions) {
    this.#options = options
    this.#reached = options.from
    this.#readable = options.from !== undefined
  }

  /** Everything up to here is in the window, or was taken, or does not match. */
  get reached(): Required<Cursor> | undefined {
    return this.#reached
  }

  get stream(): StreamId {
    return this.#options.reader.stream
  }

  get first(): Item | undefined {
    return this.#options.window.first
  }

  /** The stream may have grown. */
  grown(): void {
    this.#readable = true
  }

  /** The next event. If there is none, a read begins, unless the lane has to wait for growth. */
  take(): Item | undefined {
    const item = this.#options.window.shift()
    if (!item && this.#readable && !this.#reading && this.#reached && !this.end)
      void this.#read(this.#reached)
    return item
  }

  /** Frees the memory of an item. */
  release(item: Item): void {
    this.#options.window.release(item)
  }

  /** Takes back an event that was not sent. */
  putBack(item: Item): void {
    this.#options.window.putBack(item)
    this.forget()
  }

  /** Drops the events and keeps their places: they are read again. */
  forget(): void {
    this.#options.window.forgetEvents()
  }

  continueAfter(cursor: Required<Cursor>): void {
    this.#options.window.clear()
    this.#reached = cursor
    this.#readable = true
  }

  /** The event after the cursor is gone: the next read shows what is lost with it. */
  verifyAfter(cursor: Required<Cursor>): void {
    this.continueAfter(cursor)
    this.#unverified = true
  }

  /**
   * The message of a delivery, as it is now; undefined if the endpoint does not want it, `gone` if the log no longer
   * has it.
   * @param reset the message at the place of our own messages.
   */
  async load(
    delivery: Delivery,
    reset: Message | undefined,
    clock: Clock,
  ): Promise<Message | 'gone' | undefined> {
    const { position, eventId } = cursorOf(delivery)
    const loaded = position === OWN ? reset : await this.#event(delivery)
    if (loaded === 'gone' || !loaded) return loaded
    delivery.sentAt = clock.now()
    delivery.type = loaded.type
    return { id: formatEventId(position, eventId), ...loaded }
  }

  async #event(delivery: Delivery) {
    const { reader } = this.#options
    const { item } = delivery
    if (item?.event && item.edition === reader.edition) return item.event
    return await reader.event(cursorOf(delivery))
  }

  async #read(after: Cursor): Promise<void> {
    const { host, reader, onRead } = this.#options
    this.#reading = true
    this.#readable = false
    let read: Read | undefined
    try {
      read = await host.read(() =>
        this.#unverified ? reader.verify(after) : reader.after(after, WINDOW_EVENTS),
      )
      this.#unverified = false
    } catch (error) {
      host.unreadable(error)
    }
    this.#reading = false
    // The supply continues at another place by now.
    if (this.#reached !== after) this.#readable = true
    else if (read) this.#receive(read)
    onRead(read ? (read.kind === 'lost' ? read : read.kind) : 'failed')
  }

  #receive(read: Read): void {
    const { window, to = Number.POSITIVE_INFINITY } = this.#options
    const hasEnd = to !== Number.POSITIVE_INFINITY
    if (read.kind === 'at-head' && hasEnd) this.end = 'completed'
    if (read.kind !== 'events') return
    for (const event of read.events) if (event.position <= to) window.add(event, read.edition)
    this.#reached = read.reached
    if (read.reached.position >= to) this.end = 'completed'
    this.#readable = true
  }
}
