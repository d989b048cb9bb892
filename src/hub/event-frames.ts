/** An event of the log with its frames. Each frame is encoded once, on first use, and shared by all subscriptions. */
import { isDelivered, type Position, type StoredEvent, sizeOf } from '../log/event.js'
import type { Encoding } from '../sse/encoding.js'

/** Approximate memory of an event besides its data: the row, its strings, its slot in an array. */
const OVERHEAD_BYTES = 300

export class EventFrames {
  readonly #frames: { [encoding: string]: Buffer } = {}

  constructor(readonly event: StoredEvent) {}

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
}
