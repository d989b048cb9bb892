/** An event of the log with its frames. Each frame is encoded once, on first use, and shared by all subscriptions. */
import { EventContent } from '../log/content-filter/event-content.js'
import { isDelivered, type Position, type StoredEvent, sizeOf } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import type { Encoding } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'

/**
 * Approximate memory of an event besides its data, as measured with Node 20: row, time and strings in the heap with one frame (550), the
 * rest of the frame's text outside of it (50), and a part of a frame in a second form (250).
 */
const OVERHEAD_BYTES = 700
/**
 * A frame of this size or more is a payload of its own, which all clients share. Slow clients are each at another event, so each
 * would hold a copy, and the allocator keeps the memory of all these copies.
 */
const OWN_PAYLOAD_BYTES = 8 * 1024
/** The number of filters whose verdicts are kept, for clients that catch up through the same filters. */
const MAX_VERDICTS = 8

export class EventFrames {
  readonly #frames: { [encoding: string]: Buffer } = {}
  #payloads: { [encoding: string]: Payload } | undefined
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

  /** The payload of this event alone, which all of its readers share; undefined if the event is small, or its encoding assembles payloads. */
  payloadIn(encoding: Encoding): Payload | undefined {
    const frame = this.in(encoding)
    if (frame.length < OWN_PAYLOAD_BYTES || encoding.assemble) return undefined
    const known = this.#payloads?.[encoding.name]
    if (known) return known
    const payload = Payload.of([frame], 1, false, this.event)
    this.#payloads = { ...this.#payloads, [encoding.name]: payload }
    // The payload contains the same bytes: they are kept once.
    this.#frames[encoding.name] = payload.bytes
    return payload
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
