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
  #first = 0
  #bytes = 0

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
    const oldest = this.#frames[this.#first]
    if (!oldest || position < oldest.position - 1) return undefined
    return this.#frames.slice(this.#first + position - oldest.position + 1)
  }

  at(position: Position): EventFrames | undefined {
    const oldest = this.#frames[this.#first]
    if (!oldest || position < oldest.position) return undefined
    return this.#frames[this.#first + position - oldest.position]
  }

  clear(): void {
    this.#frames = []
    this.#first = 0
    this.#bytes = 0
  }

  #evict(): void {
    while (this.#frames.length - this.#first > MAX_EVENTS || this.#bytes > MAX_BYTES) {
      const evicted = this.#frames[this.#first]
      if (!evicted) break
      this.#bytes -= evicted.bytes
      this.#first += 1
    }
    // Shifting one by one would move the whole array each time.
    if (this.#first > MAX_EVENTS) {
      this.#frames = this.#frames.slice(this.#first)
      this.#first = 0
    }
  }
}
