/**
 * The newest events of a stream, without a hole, bounded by count and by bytes. Who has fallen behind only a
 * little catches up from here and never touches the database.
 */
import type { Position } from '../events/event.js'
import type { EventFrames } from './event-frames.js'

const MAX_EVENTS = 1_024
const MAX_BYTES = 1024 * 1024

export class RecentFrames {
  #frames: EventFrames[] = []
  #bytes = 0

  get empty(): boolean {
    return this.#frames.length === 0
  }

  /** Events that continue the newest one. */
  add(frames: readonly EventFrames[]): void {
    for (const frame of frames) {
      this.#frames.push(frame)
      this.#bytes += frame.bytes
    }
    this.#evict()
  }

  /** All events after `position`, or undefined when the first of them is not here any more. */
  after(position: Position): readonly EventFrames[] | undefined {
    const [oldest] = this.#frames
    if (!oldest || position < oldest.position - 1) return undefined
    return this.#frames.slice(position - oldest.position + 1)
  }

  at(position: Position): EventFrames | undefined {
    const [oldest] = this.#frames
    return oldest && position >= oldest.position ? this.#frames[position - oldest.position] : undefined
  }

  clear(): void {
    this.#frames = []
    this.#bytes = 0
  }

  /** Taken out of the array, not only passed over: a large event that stays referenced stays in memory. */
  #evict(): void {
    let evicted = 0
    for (const { bytes } of this.#frames) {
      if (this.#frames.length - evicted <= MAX_EVENTS && this.#bytes <= MAX_BYTES) break
      this.#bytes -= bytes
      evicted += 1
    }
    this.#frames.splice(0, evicted)
  }
}
