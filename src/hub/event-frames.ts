/** An event of the log with its frames. Each frame is encoded once, on first use, and shared by all subscriptions. */
import { EventContent } from '../log/content-filter/event-content.js'
import { isDelivered, type Position, type StoredEvent, sizeOf } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import type { Encoding } from '../sse/encoding.js'

/** Approximate memory of an event besides its data: the row, its strings, its slot in an array. */
const OVERHEAD_BYTES = 300
/** Verdicts of so many filters are kept, for the clients that catch up through the same ones. */
const MAX_VERDICTS = 8

export class EventFrames {
  readonly #frames: { [encoding: string]: Buffer } = {}
  #verdicts: Map<string, boolean> | undefined
  #content: EventContent | undefined

  constructor(
    readonly event: StoredEvent,
    /** When this process read it, in ms since 1970; undefined for an event of a page of the past. */
    readonly readAt?: number,
  ) {}

  get position(): Position {
    return this.event.position
  }

  /** Whether clients never get it; their cursor moves over it. */
  get isPassedOver(): boolean {
    return !isDelivered(this.event)
  }

  /** Approximate memory. The data counts twice, as text and as a frame. */
  get bytes(): number {
    return OVERHEAD_BYTES + 2 * sizeOf(this.event)
  }

  in(encoding: Encoding): Buffer {
    this.#frames[encoding.name] ??= encoding.event(this.event)
    return this.#frames[encoding.name] as Buffer
  }

  /** Whether the event matches. Its content is judged once for all subscriptions with equal filters. */
  matches(filter: EventFilter): boolean {
    if (!filter.where) return filter.matches(this.event)
    this.#verdicts ??= new Map()
    const known = this.#verdicts.get(filter.key)
    if (known !== undefined) return known
    const verdict = filter.matches(this.event, this.#content)
    if (this.#verdicts.size >= MAX_VERDICTS) this.#verdicts.clear()
    this.#verdicts.set(filter.key, verdict)
    return verdict
  }

  /** Keeps the values that filters find, so that many different filters share them, until `forgetContent`. */
  keepContent(): void {
    this.#content = new EventContent(this.event)
  }

  forgetContent(): void {
    this.#content = undefined
  }
}
