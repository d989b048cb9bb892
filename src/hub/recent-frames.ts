/**
 * The newest events of a stream, without a gap, bounded by count and by bytes. A subscription that has fallen behind only a
 * little catches up from here, without the database.
 */
import type { Position } from '../log/event.js'
import type { Cursor } from './cursor.js'
import type { EventFrames } from './event-frames.js'

const MAX_EVENTS = 1_024
const MAX_BYTES = 1024 * 1024

export class RecentFrames {
  #frames: EventFrames[] = []
  #bytes = 0
  /** The UUID of the event before the oldest one. */
  #before: string | undefined

  get empty(): boolean {
    return this.#frames.length === 0
  }

  /**
   * Adds events that continue the newest one.
   * @param before the UUID of the event before them.
   */
  add(frames: readonly EventFrames[], before: string | undefined): void {
    if (this.empty) this.#before = before
    for (const frame of frames) {
      this.#frames.push(frame)
      this.#bytes += frame.bytes
    }
    this.#evict()
  }

  /** All events after a cursor; undefined if the first of them is no longer here, or the cursor is of another history. */
  after({ position, eventId }: Cursor): readonly EventFrames[] | undefined {
    const [oldest] = this.#frames
    if (!oldest) return undefined
    const known = position === oldest.position - 1 ? this.#before : this.at(position)?.event.eventId
    if (known === undefined || (eventId ?? known) !== known) return undefined
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

  /** Removes the events up to and including a position. */
  removeThrough(position: Position): void {
    this.#removeWhile(frame => frame.position <= position)
  }

  #evict(): void {
    this.#removeWhile((_, left) => left > MAX_EVENTS || this.#bytes > MAX_BYTES)
  }

  /** Removes the events from the array itself: an event that it still references stays in memory, however large. */
  #removeWhile(isDue: (oldest: EventFrames, left: number) => boolean): void {
    let removed = 0
    for (const frame of this.#frames) {
      if (!isDue(frame, this.#frames.length - removed)) break
      this.#bytes -= frame.bytes
      this.#before = frame.event.eventId
      removed += 1
    }
    this.#frames.splice(0, removed)
  }
}
