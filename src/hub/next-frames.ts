/**
 * The events that follow the cursor of a catching-up subscriber, from the source that costs least:
 *
 * - the recent frames, if they reach back that far;
 * - far from the head, filtered pages, as long as the filter matches few events;
 * - otherwise the pages that all clients share. They also show when the filter matches few events again. So a filter that
 *   matches many costs no more than no filter.
 */
import type { EventFilter } from '../log/event-filter.js'
import type { Cursor } from './cursor.js'
import type { EventFrames } from './event-frames.js'
import type { HubStream } from './hub-stream.js'
import type { Pages } from './pages.js'

/** A filter matches few events if it matches at most one in this many. */
const SPARSE = 8

export class NextFrames {
  readonly #stream: HubStream
  readonly #pages: Pages
  readonly #filter: EventFilter | undefined
  #sparse = true

  constructor(stream: HubStream, pages: Pages, filter: EventFilter | undefined) {
    this.#stream = stream
    this.#pages = pages
    this.#filter = filter
  }

  /**
   * Waits until it is the subscription's turn to write, and returns the next frames. Returns none if the log has a gap
   * after the cursor, or has lost the cursor.
   * @param isWanted whether the subscription can still use frames after this cursor.
   */
  async after(cursor: Cursor, isWanted: () => boolean): Promise<readonly EventFrames[]> {
    await this.#stream.pacing.turn()
    if (!isWanted()) return []
    const recent = this.#stream.recent.after(cursor)
    if (recent) return recent
    const read = await this.#read(cursor)
    // Thousands of subscriptions may have waited for the same page.
    await this.#stream.pacing.turn()
    return read
  }

  async #read(cursor: Cursor): Promise<readonly EventFrames[]> {
    const filter = this.#filter
    const filtered = filter && this.#sparse && (await this.#pages.matching(this.#stream, cursor, filter))
    if (filtered) return filtered
    const page = await this.#pages.after(this.#stream, cursor)
    if (page[0]?.position !== cursor.position + 1) return []
    if (filter) this.#sparse = count(page, filter) * SPARSE <= page.length
    return page
  }
}

function count(frames: readonly EventFrames[], filter: EventFilter): number {
  return frames.reduce((sum, { event }) => sum + Number(filter.matches(event)), 0)
}
