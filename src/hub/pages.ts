/**
 * Reads the past for those who catch up. The log is cut into aligned pages of 256 positions; a full page can never
 * change within one history of its stream, so it is kept for a while, and many clients that come back at once (a
 * deploy) cost one read a page instead of one each. The same holds for filtered pages of 8,192 positions, of which
 * only what a filter lets through is read: one read for all that come with that filter. Only a few reads run at a
 * time, so that catching up never starves the tailer or publishers.
 */
import { LRUCache } from 'lru-cache'
import limit from 'p-limit'
import type { Database } from '../database/pool.js'
import type { Position } from '../events/event.js'
import { readFilteredPage } from '../events/filtered-page.js'
import { readPage } from '../events/log.js'
import type { TypeFilter } from '../events/type-filter.js'
import { EventFrames } from './event-frames.js'
import type { HubStream } from './hub-stream.js'

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

type Page = readonly EventFrames[]

/** Stands for a filtered page that is full. */
const DENSE: Page = []

export class Pages {
  readonly #database: Database
  readonly #slots = limit(READERS)
  readonly #filteredSlots = limit(FILTERED_READERS)
  readonly #full = new LRUCache<string, Page>({ maxSize: CACHE_BYTES, sizeCalculation: bytesOf })
  readonly #flights = new Map<string, Promise<Page>>()

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Events after `position`, without a hole, as many as one read gives: none only if the log, read after this
   * call, had none there. The first may be later than `position + 1` when retention has removed that one.
   */
  async after(stream: HubStream, position: Position): Promise<Page> {
    const start = (position - (position % PAGE_EVENTS)) as Position
    const page = await this.#shared(
      `${stream.history}:${start}`,
      () => this.#read(stream, start),
      read => read.length === PAGE_EVENTS && read.at(-1)?.position === start + PAGE_EVENTS,
    )
    const events = page.filter(frames => frames.position > position)
    // The page was cut by bytes, or its read began before the event was committed.
    return events.length > 0 ? events : this.#read(stream, position)
  }

  /**
   * Of the events after `position` those that match, and the last one that was looked at, whether it matches or not:
   * all that match up to it are there. None where not all of the events that would be looked at are stored.
   * @returns undefined near the head, and where more match than a page has: pages that everybody shares cost less.
   */
  async matching(stream: HubStream, position: Position, filter: TypeFilter): Promise<Page | undefined> {
    const start = (position - (position % STRETCH)) as Position
    if (start + STRETCH > stream.head.position) return undefined
    const aligned = await this.#stretch(stream, start, filter)
    if (aligned === DENSE) return undefined
    const events = aligned.filter(frames => frames.position > position)
    if (events.length > 0 || position === start) return events
    // It was cut by bytes, or retention has removed its beginning.
    const page = await this.#stretch(stream, position, filter)
    return page === DENSE ? undefined : page
  }

  /** Lets go of all that is kept. */
  clear(): void {
    this.#full.clear()
  }

  /** To the end of the stretch that `after` is in. */
  #stretch(stream: HubStream, after: Position, filter: TypeFilter): Promise<Page> {
    const end = (after - (after % STRETCH) + STRETCH) as Position
    return this.#shared(
      `${stream.history}:${after}:${filter.key}`,
      () => this.#filteredSlots(() => this.#readMatching(stream, after, end, filter)),
      // All that was looked at was stored, so it can never change.
      read => read.length > 0 || read === DENSE,
    )
  }

  /** @param keeps whether a page can never change. */
  async #shared(key: string, read: () => Promise<Page>, keeps: (page: Page) => boolean): Promise<Page> {
    return this.#full.get(key) ?? this.#flights.get(key) ?? this.#fly(key, read, keeps)
  }

  #fly(key: string, read: () => Promise<Page>, keeps: (page: Page) => boolean): Promise<Page> {
    const flight = read()
      .then(page => {
        if (keeps(page)) this.#full.set(key, page)
        return page
      })
      .finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  #read(stream: HubStream, after: Position): Promise<Page> {
    return this.#slots(async () => {
      const events = await readPage(this.#database, stream.id, after, PAGE_EVENTS, PAGE_BYTES)
      const frames = events.map(event => new EventFrames(event))
      stream.recall(frames)
      return frames
    })
  }

  #readMatching(stream: HubStream, after: Position, end: Position, filter: TypeFilter): Promise<Page> {
    return this.#slots(async () => {
      const { events, last } = await readFilteredPage(
        ...([this.#database, stream.id, after, end, filter, MATCHES, PAGE_BYTES] as const),
      )
      if (events.length === MATCHES) return DENSE
      const looked = last && last !== events.at(-1) ? [...events, last] : events
      return looked.map(event => new EventFrames(event))
    })
  }
}

/** With its key, which a caller's filter makes as long as it likes. */
function bytesOf(page: Page, key: string): number {
  return page.reduce((sum, frames) => sum + frames.bytes, key.length)
}
