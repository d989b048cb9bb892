/** An event of the log with its frames. Each encoding is made on first use, once, and shared by all subscriptions that read it. */
import type { Position, StoredEvent } from '../log/event.js'
import type { Encoding } from '../sse/encoding.js'

/** About what an event takes in memory besides its data: the row, its strings, its slot in an array. */
const OVERHEAD_BYTES = 300

export class EventFrames {
  readonly #frames: { [encoding: string]: Buffer } = {}

  constructor(readonly event: StoredEvent) {}

  get position(): Position {
    return this.event.position
  }

  /** About how much memory it holds: its data twice, as text and as a frame. */
  get bytes(): number {
    return OVERHEAD_BYTES + 2 * this.event.data.length
  }

  in(encoding: Encoding): Buffer {
    this.#frames[encoding.name] ??= encoding.event(this.event)
    return this.#frames[encoding.name] as Buffer
  }
}
