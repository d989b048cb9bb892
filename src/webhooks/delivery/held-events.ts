/**
 * The memory for events that the lanes of this process have read ahead. An event that does not fit is not kept: its lane keeps its
 * place, and reads it again when it is sent. So nobody waits for room here, and the sum stays below the bound whatever the number
 * of endpoints and of waiting events (I5). A lane may hold at most a thirty-second of the free room, so that lanes
 * with slow receivers, which hold theirs for long, leave room for others.
 */
import { type StoredEvent, sizeOf } from '../../log/event.js'

const MAX_BYTES = 64 * 1024 * 1024
const SHARE_OF_ONE = 1 / 32
/** Approximate memory of an event besides its texts. */
const OVERHEAD_BYTES = 300

export class HeldEvents {
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * @param heldBytes what its lane holds already.
   * @returns its approximate memory; undefined if there is no room.
   */
  keep(event: StoredEvent, heldBytes: number): number | undefined {
    // Characters of text, which Node keeps in one or two bytes.
    const bytes = OVERHEAD_BYTES + sizeOf(event)
    const free = this.#maxBytes - this.#bytes
    if (bytes > free || heldBytes + bytes > free * SHARE_OF_ONE) return undefined
    this.#bytes += bytes
    return bytes
  }

  drop(bytes: number): void {
    this.#bytes -= bytes
  }
}
