/**
 * The events that follow the cursor of a catching-up subscriber, from the source that costs least:
 *
 * - for a client that starts with the newest event of each key, pages of these, up to the head of that time;
 * - the recent frames, if they reach back that far;
 * - far from the head, filtered pages, as long as the filter matches few events; also without a filter, where most events are
 *   compacted;
 * - otherwise the pages that all clients share. They also show when the filter matches few events again. So a filter that
 *   matches many costs no more than no filter.
 */
import { EventFilter } from '../log/event-filter.js'
import type { Encoding } from '../sse/encoding.js'
import type { Cursor } from './cursor.js'
import { type DeliveryWindow, isFor, withinRoom } from './delivery-window.js'
import type { EventFrames } from './event-frames.js'
import { payloads } from './fan-out-group.js'
import type { HubStream } from './hub-stream.js'
import type { ReplaySource } from './hub-tally.js'
import type { LatestRange } from './latest-frames.js'
import type { Pages } from './pages.js'

/** A filter matches few events if it matches at most one in this many. */
const SPARSE = 8
const EVERY_EVENT = EventFilter.ofTypes('*')

export class NextFrames {
  readonly #stream: HubStream
  readonly #pages: Pages
  readonly #filter: EventFilter
  readonly #window: DeliveryWindow | undefined
  #sparse: boolean
  #latest: LatestRange | undefined
  /** The source of the frames that were returned last. */
  source: ReplaySource = 'memory'

  constructor(
    stream: HubStream,
    pages: Pages,
    filter: EventFilter | undefined,
    latest: LatestRange | undefined,
    window?: DeliveryWindow,
  ) {
    this.#stream = stream
    this.#pages = pages
    this.#filter = filter ?? EVERY_EVENT
    this.#sparse = filter !== undefined
    this.#latest = latest
    this.#window = window
  }

  /**
   * Waits until it is the subscription's turn to write and its window has room, and returns the next frames. Returns none if
   * the log has a gap after the cursor, or has lost the cursor.
   * @param isWanted whether the subscription can still use frames after this cursor.
   */
  async after(cursor: Cursor, isWanted: () => boolean): Promise<readonly EventFrames[]> {
    const window = this.#window
    if (!window) return await this.#next(cursor, isWanted)
    while (window.room === 0 && isWanted()) await window.changed()
    const frames = await this.#next(cursor, isWanted)
    // The window may have become full meanwhile, because its lease has run out.
    return isWanted() && window.room === 0
      ? await this.after(cursor, isWanted)
      : withinRoom(frames, window.room, this.#filter)
  }

  /** The payloads of these frames; other subscriptions that catch up with the same events write the same ones. */
  payloads(frames: readonly EventFrames[], before: Cursor, encoding: Encoding) {
    const filter = this.#filter === EVERY_EVENT ? undefined : this.#filter
    return payloads(frames, before, this.#stream, encoding, filter, this.#pages.payloads)
  }

  async #next(cursor: Cursor, isWanted: () => boolean): Promise<readonly EventFrames[]> {
    await this.#stream.pacing.turn()
    if (!isWanted()) return []
    if (this.#latest && cursor.position >= this.#latest.upTo.position) this.#latest = undefined
    const recent = this.#latest ? undefined : this.#stream.recent.after(cursor)
    this.source = 'memory'
    if (recent) return recent
    const read = await this.#read(cursor, isWanted)
    // Thousands of subscriptions may have waited for the same page.
    await this.#stream.pacing.turn()
    return read
  }

  async #read(cursor: Cursor, isWanted: () => boolean): Promise<readonly EventFrames[]> {
    const latest = this.#latest && (await this.#pages.latest(this.#stream, cursor, this.#latest, isWanted))
    this.source = 'latest'
    if (latest) return latest
    this.#latest = undefined
    const filter = this.#filter
    const filtered = this.#sparse && (await this.#pages.matching(this.#stream, cursor, filter, isWanted))
    this.source = filtered ? 'filtered' : 'page'
    if (filtered) return filtered
    const page = await this.#pages.after(this.#stream, cursor, isWanted)
    if (page[0]?.position !== cursor.position + 1) return []
    this.#sparse = isSparse(page, filter)
    return page
  }
}

/** Looks at no more frames than it takes to find enough that match. */
function isSparse(frames: readonly EventFrames[], filter: EventFilter): boolean {
  let matching = 0
  return !frames.some(frame => {
    matching += Number(isFor(frame, filter))
    return matching * SPARSE > frames.length
  })
}
