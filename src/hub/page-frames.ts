/** The result of one read after a place in the log, from one snapshot: all events, or those that match a filter. */
import type { Position } from '../log/event.js'
import type { Page } from '../log/log.js'
import type { Cursor } from './cursor.js'
import { EventFrames } from './event-frames.js'

export class PageFrames {
  readonly frames: readonly EventFrames[]
  readonly #after: Position
  readonly #anchor: string | undefined

  /** @param after the position after which it was read. */
  constructor(after: Position, { anchor, events }: Page) {
    this.frames = events.map(event => new EventFrames(event))
    this.#after = after
    this.#anchor = anchor
  }

  get last(): EventFrames | undefined {
    return this.frames.at(-1)
  }

  /** Approximate memory. */
  get bytes(): number {
    return this.frames.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The UUID of the event at a position; undefined if this page does not have it. */
  eventIdAt(position: Position): string | undefined {
    if (position === this.#after) return this.#anchor
    const found = this.frames[this.#indexAfter((position - 1) as Position)]
    return found?.position === position ? found.event.eventId : undefined
  }

  /** Whether the log has the cursor; undefined if this page does not show it. */
  has({ position, eventId }: Cursor): boolean | undefined {
    const known = this.eventIdAt(position)
    return known === undefined ? undefined : (eventId ?? known) === known
  }

  beyond(position: Position): readonly EventFrames[] {
    return this.frames.slice(this.#indexAfter(position))
  }

  /** The index of the first frame after a position. Each of thousands of returning clients asks for several. */
  #indexAfter(position: Position): number {
    let [low, high] = [0, this.frames.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.frames[middle]?.position ?? 0) <= position) low = middle + 1
      else high = middle
    }
    return low
  }
}

const NOTHING = { anchor: undefined, events: [] }
/** Stands for a filtered page with too many matches. */
export const DENSE = new PageFrames(0 as Position, NOTHING)
/** Stands for a page of the newest events of keys that cannot be found. */
export const UNKNOWN = new PageFrames(0 as Position, NOTHING)
/** Stands for a page that was not read, because nobody wanted it any more. */
export const UNWANTED = new PageFrames(0 as Position, NOTHING)
