/** An event of the log with its frames: each is encoded on first use, once, and shared by all who read it. */
import type { Position, StoredEvent } from '../log/event.js'
import type { Encoding } from '../sse/encoding.js'

/** What an event costs in memory besides its data, roughly: the row, its strings, its place in an array. */
const OVERHEAD_BYTES = 300

export class EventFrames {
  readonly #frames: { [encoding: string]: Buffer } = {}

  constructor(readonly event: StoredEvent) {}

  get position(): Position {
    return this.event.position
  }

  /** Roughly what it holds in memory: its data twice, as text and as a frame. */
  get bytes(): number {
    return OVERHEAD_BYTES + 2 * this.event.data.length
  }

  in(encoding: Encoding): Buffer {
    this.#frames[encoding.name] ??= encoding.event(this.event)
    return this.#frames[encoding.name] as Buffer
  }
}
