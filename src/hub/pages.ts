/**
 * Reads the past for clients that catch up. The log is cut into aligned pages of 256 positions; a full page can never
 * change within one history of its stream, so it is kept for a while, and many clients that come back at once (a
 * deploy) cost one read a page instead of one each. The same holds for filtered pages of 8,192 positions, of which
 * only what a filter lets through is read: one read for all that come with that filter. Only a few reads run at a
 * time, so that catching up never starves the tailer or publishers.
 *
 * A log that loses its tail gives the same positions to other events, and a page that is kept, or a read that another
 * connection does, may be of before or after. So each page is one snapshot with the identity of the place that it was
 * read after, and a client gets from a page only what continues its own cursor by identity (I4).
 */
import { LRUCache } from 'lru-cache'
import limit from 'p-limit'
import type { Database } from '../database/pool.js'
import type { Position } from '../log/event.js'
import { readFilteredPage } from '../log/filtered-page.js'
import { hasAll } from '../log/history.js'
import { readPage } from '../log/log.js'
import type { TypeFilter } from '../log/type-filter.js'
import type { Cursor } from './cursor.js'
import type { EventFrames } from './event-frames.js'
import type { HubStream } from './hub-stream.js'
import { PageFrames } from './page-frames.js'

const PAGE_EVENTS = 256
const PAGE_BYTES = 1024 * 1024
const CACHE_BYTES = 32 * 1024 * 1024
const READERS = 4
/** Positions that a filtered page looks at: 3 to 10 ms of the database. */
const STRETCH = 8_192
/** Events in it at most: one in eight. */
const MATCHES = 1_024
/** So that those of many filters leave readers to everybody else. */
const FILTERED_READERS = 2

/** Stands for a filtered page that is full. */
const DENSE = new PageFrames(0 as Position, { anchor: undefined, events: [] })

export class Pages {
  readonly #database: Database
  readonly #slots = limit(READERS)
  readonly #filteredSlots = limit(FILTERED_READERS)
  readonly #full = new LRUCache<string, PageFrames>({ maxSize: CACHE_BYTES, sizeCalculation: bytesOf })
  readonly #flights = new Map<string, Promise<PageFrames>>()

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Events that continue the cursor, without a gap, as many as one read gives. None only if the log, read after this
   * call, had none there or not the cursor itself.
   */
  async after(stream: HubStream, cursor: Cursor): Promise<readonly EventFrames[]> {
    const page = await this.#aligned(stream, cursor.position)
    const known = page.has(cursor) ? page.beyond(cursor.position) : []
    if (known.length > 0) return known
    // The page was cut by bytes, or was read before the event was committed, or is of another history.
    const fresh = await this.#read(stream, cursor.position)
    if (!fresh.has(cursor)) return []
    if (page.has(cursor) === false) stream.verify()
    return fresh.frames
  }

  /** The UUID of the event at a position, if a page that many share has it. */
  async eventIdAt(stream: HubStream, position: Position): Promise<string | undefined> {
    const page = await this.#aligned(stream, (position - 1) as Position)
    return page.eventIdAt(position)
  }

  /**
   * Of the events that continue the cursor those that match, and the last one that was looked at, whether it matches or
   * not: all that match up to it are there. None where not all of the events that would be looked at are stored, or the
   * cursor is not of their history.
   * @returns undefined near the head, and where more match than a page has: pages that everybody shares cost less.
   */
  async matching(
    stream: HubStream,
    cursor: Cursor,
    filter: TypeFilter,
  ): Promise<readonly EventFrames[] | undefined> {
    const { position } = cursor
    const start = (position - (position % STRETCH)) as Position
    if (start + STRETCH > stream.head.position) return undefined
    const aligned = await this.#stretch(stream, start, filter)
    if (aligned === DENSE) return undefined
    if (position === start || aligned.beyond(position).length > 0) return this.#from(aligned, stream, cursor)
    // It was cut by bytes, or retention has removed its beginning.
    const page = await this.#stretch(stream, position, filter)
    return page === DENSE ? undefined : this.#from(page, stream, cursor)
  }

  /** Lets go of all that is kept. */
  clear(): void {
    this.#full.clear()
  }

  /** What of a filtered page continues the cursor. */
  async #from(page: PageFrames, stream: HubStream, cursor: Cursor): Promise<readonly EventFrames[]> {
    const { position, eventId } = cursor
    const { last } = page
    if (!last) return []
    // The page does not tell of an event in its middle that does not match. Where the log has both, that one and the
    // page's end, they are of one history.
    const both = () =>
      eventId === undefined ||
      this.#slots(() => hasAll(this.#database, stream.id, [{ position, eventId }, last.event]))
    return (page.has(cursor) ?? (await both())) ? page.beyond(position) : []
  }

  #aligned(stream: HubStream, position: Position): Promise<PageFrames> {
    const start = (position - (position % PAGE_EVENTS)) as Position
    // Not what is beyond the head: the tailer, which sees losses by its head, would not see that it is lost.
    const seen = stream.head.position
    return this.#shared(
      `${stream.history}:${start}`,
      () => this.#read(stream, start),
      ({ frames, last }) =>
        frames.length === PAGE_EVENTS && last?.position === start + PAGE_EVENTS && last.position <= seen,
    )
  }

  /** To the end of the stretch that `after` is in. */
  #stretch(stream: HubStream, after: Position, filter: TypeFilter): Promise<PageFrames> {
    const end = (after - (after % STRETCH) + STRETCH) as Position
    return this.#shared(
      `${stream.history}:${after}:${filter.key}`,
      () => this.#filteredSlots(() => this.#readMatching(stream, after, end, filter)),
      // All that was looked at was stored, so it can never change.
      read => read.frames.length > 0 || read === DENSE,
    )
  }

  /** @param keeps whether a page can never change. */
  async #shared(
    key: string,
    read: () => Promise<PageFrames>,
    keeps: (page: PageFrames) => boolean,
  ): Promise<PageFrames> {
    return this.#full.get(key) ?? this.#flights.get(key) ?? this.#fly(key, read, keeps)
  }

  #fly(
    key: string,
    read: () => Promise<PageFrames>,
    keeps: (page: PageFrames) => boolean,
  ): Promise<PageFrames> {
    const flight = read()
      .then(page => {
        if (keeps(page)) this.#full.set(key, page)
        return page
      })
      .finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  #read(stream: HubStream, after: Position): Promise<PageFrames> {
    return this.#slots(async () => {
      const page = new PageFrames(
        after,
        await readPage(this.#database, stream.id, after, PAGE_EVENTS, PAGE_BYTES),
      )
      stream.recall(page)
      return page
    })
  }

  #readMatching(stream: HubStream, after: Position, end: Position, filter: TypeFilter): Promise<PageFrames> {
    return this.#slots(async () => {
      const { anchor, events, last } = await readFilteredPage(
        ...([this.#database, stream.id, after, end, filter, MATCHES, PAGE_BYTES] as const),
      )
      if (events.length === MATCHES) return DENSE
      const looked = last && last !== events.at(-1) ? [...events, last] : events
      return new PageFrames(after, { anchor, events: looked })
    })
  }
}

/** With its key, which a caller's filter makes as long as it likes. */
function bytesOf(page: PageFrames, key: string): number {
  return page.bytes + key.length
}
