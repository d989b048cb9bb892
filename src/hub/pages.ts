/**
 * Reads the past for subscriptions that catch up. The log is divided into aligned pages of 256 positions. Within one history of
 * its stream a full page changes only when events are redacted, and is dropped then (changed-events.ts). So it is cached, and
 * many clients that reconnect at once, as after a deploy, cost one read a page instead of one each. The same holds for filtered
 * pages of 8,192 positions, of which only the events that match a filter are read: one read serves all clients with that
 * filter. Only a few reads run at a time, so catching up never starves the tailer or the publishers.
 *
 * A log that loses its tail gives the same positions to other events, and a cached page, or a read on another connection,
 * may be from before or after the loss. So each page is one snapshot that includes the identity of the place after which it
 * was read, and a client gets from a page only what continues its own cursor by identity (I4).
 */
import { LRUCache } from 'lru-cache'
import type { Database, Queryable } from '../database/pool.js'
import { MAX_DATA_BYTES, type Position, type StreamId } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import { hasAll } from '../log/history.js'
import { readPage } from '../log/log.js'
import type { Cursor } from './cursor.js'
import type { EventFrames } from './event-frames.js'
import type { HubStream } from './hub-stream.js'
import { type LatestRange, latestKey, readLatestFrames } from './latest-frames.js'
import { readMatchingFrames } from './matching-frames.js'
import { DENSE, PageFrames, UNKNOWN, UNWANTED } from './page-frames.js'
import { always, ReadSlots } from './read-slots.js'
import type { Replica } from './replica.js'
import { SharedPayloads } from './shared-payloads.js'
import { type IsWanted, SharedReads } from './shared-reads.js'

const PAGE_EVENTS = 256
const PAGE_BYTES = 1024 * 1024
/** A page of this size may have been cut by its bytes. Its size in memory counts the data twice. */
const CUT_BYTES = 2 * (PAGE_BYTES - MAX_DATA_BYTES)
const CACHE_BYTES = 32 * 1024 * 1024
/** Positions that a filtered page covers; reading them takes the database 3 to 10 ms. */
const FILTERED_PAGE_POSITIONS = 8_192
/** Events in a filtered page at most: one in eight. */
const MAX_MATCHES = 1_024

/** The start of the aligned page with the events after a position. */
const startOf = (position: Position) => (position - (position % PAGE_EVENTS)) as Position
const pageKey = ({ id, history }: HubStream, start: Position) => `${keyOf(id)}${history}:${start}`

type ReadOn = (server: Queryable) => Promise<PageFrames>

export class Pages {
  readonly #database: Database
  readonly #replica: Replica | undefined
  readonly slots = new ReadSlots()
  readonly #full = new LRUCache<string, PageFrames>({ maxSize: CACHE_BYTES, sizeCalculation: bytesOf })
  readonly #reads = new SharedReads()
  /** The payloads that were joined from the frames of pages. */
  readonly payloads = new SharedPayloads()

  /** @param replica pages are read from there where it has them; default: all from `database`. */
  constructor(database: Database, replica?: Replica) {
    this.#database = database
    this.#replica = replica
  }

  /**
   * Events that continue the cursor without a gap, as many as one read returns. Empty only if the log, read after this call,
   * had no event there, or no longer had the cursor; or if `isWanted` has become false.
   */
  async after(stream: HubStream, cursor: Cursor, isWanted = always): Promise<readonly EventFrames[]> {
    const page = await this.#page(stream, startOf(cursor.position), isWanted)
    const known = continuing(page, cursor)
    if (known.length > 0) return known
    // The page was cut by its bytes: the clients that have read it continue at the same place.
    if (page.last && page.last.position <= cursor.position && cursor.position < stream.head.position) {
      const next = continuing(await this.#page(stream, cursor.position, isWanted), cursor)
      if (next.length > 0) return next
    }
    // The page was read before the event was committed, or belongs to another history.
    const fresh = await this.#read(stream, cursor.position, isWanted)
    if (!fresh.has(cursor)) return []
    if (page.has(cursor) === false) stream.verify()
    return fresh.frames
  }

  /** The UUID of the event at a position; undefined if the shared page does not have it, or if `isWanted` has become false. */
  async eventIdAt(stream: HubStream, position: Position, isWanted = always): Promise<string | undefined> {
    const start = startOf((position - 1) as Position)
    const waits = this.#reads.isUnderWay(pageKey(stream, start))
    const page = await this.#page(stream, start, isWanted)
    // In slices: thousands that have waited for the read of another one would hold the event loop up.
    if (waits) await stream.pacing.turnToOpen()
    return page.eventIdAt(position)
  }

  /**
   * The matching events that continue the cursor, and the last event of the page, whether it matches or not: the cursor moves
   * to it. Empty if some of the events that the page would cover are not stored, if the cursor belongs to another history, or if
   * `isWanted` has become false.
   * @returns undefined near the head, and where more events match than a page holds: there the shared pages cost less.
   */
  async matching(
    stream: HubStream,
    cursor: Cursor,
    filter: EventFilter,
    isWanted = always,
  ): Promise<readonly EventFrames[] | undefined> {
    const { position } = cursor
    const start = (position - (position % FILTERED_PAGE_POSITIONS)) as Position
    if (start + FILTERED_PAGE_POSITIONS > stream.head.position) return undefined
    const aligned = await this.#filtered(stream, start, filter, isWanted)
    if (aligned === DENSE) return undefined
    if (position === start || aligned.beyond(position).length > 0)
      return this.#from(aligned, stream, cursor, isWanted)
    // The page was cut by its bytes, or retention has removed its beginning.
    const page = await this.#filtered(stream, position, filter, isWanted)
    return page === DENSE ? undefined : this.#from(page, stream, cursor, isWanted)
  }

  /**
   * The newest event of each key that continues the cursor, and the end of the range if there are no more. Empty if the log no
   * longer has the cursor, or if `isWanted` has become false.
   * @returns undefined if these events cannot be found; all events lead to the same state.
   */
  async latest(
    stream: HubStream,
    cursor: Cursor,
    range: LatestRange,
    isWanted = always,
  ): Promise<readonly EventFrames[] | undefined> {
    const read = async () =>
      (await readLatestFrames(this.#database, stream, cursor, range, PAGE_EVENTS, PAGE_BYTES)) ?? UNKNOWN
    const page = await this.#shared(
      `${keyOf(stream.id)}${latestKey(stream, cursor, range)}`,
      async wanted => (await this.slots.filtering(read, wanted)) ?? UNWANTED,
      // It stays a correct page: later events of these keys come after the range.
      found => found.frames.length > 0,
      isWanted,
    )
    return page === UNKNOWN ? undefined : continuing(page, cursor)
  }

  /** Empties the cache. */
  clear(): void {
    this.#full.clear()
    this.payloads.clear()
  }

  /** Drops the pages of a stream, or of all, whose events were changed. Reads that are under way are not kept. */
  forget(stream: StreamId | 'all'): void {
    const isConcerned = (key: string) => stream === 'all' || key.startsWith(keyOf(stream))
    for (const key of [...this.#full.keys()].filter(isConcerned)) this.#full.delete(key)
    this.#reads.forget(isConcerned)
    this.payloads.clear()
  }

  /** The part of a filtered page that continues the cursor. */
  async #from(
    page: PageFrames,
    stream: HubStream,
    cursor: Cursor,
    isWanted: IsWanted,
  ): Promise<readonly EventFrames[]> {
    const { position, eventId } = cursor
    const { last } = page
    if (!last) return []
    // The page does not show an event in its middle that does not match. If the log has both that event and the last one of
    // the page, they belong to one history.
    const both = () =>
      eventId === undefined ||
      this.slots.run(() => hasAll(this.#database, stream.id, [{ position, eventId }, last.event]), isWanted)
    return (page.has(cursor) ?? (await both())) ? page.beyond(position) : []
  }

  #page(stream: HubStream, start: Position, isWanted: IsWanted): Promise<PageFrames> {
    // A page beyond the head is not cached: the tailer detects losses by the head, and would miss a loss beyond it.
    const seen = stream.head.position
    return this.#shared(
      pageKey(stream, start),
      wanted => this.#read(stream, start, wanted),
      page => {
        const { last, frames } = page
        if (last?.position !== start + frames.length) return false
        // No more fits into it.
        return frames.length === PAGE_EVENTS
          ? last.position <= seen
          : last.position < seen && page.bytes > CUT_BYTES
      },
      isWanted,
    )
  }

  /** The filtered page from `after` to the end of the aligned page that contains it. */
  #filtered(
    stream: HubStream,
    after: Position,
    filter: EventFilter,
    isWanted: IsWanted,
  ): Promise<PageFrames> {
    const end = (after - (after % FILTERED_PAGE_POSITIONS) + FILTERED_PAGE_POSITIONS) as Position
    const readOn = async (server: Queryable) =>
      (await readMatchingFrames(server, stream.id, after, end, filter, MAX_MATCHES, PAGE_BYTES)) ?? DENSE
    return this.#shared(
      `${keyOf(stream.id)}${stream.history}:${after}:${filter.key}`,
      async wanted =>
        (await this.slots.filtering(() => this.#readWhere(stream, after, end, readOn), wanted)) ?? UNWANTED,
      // All events that it covers were stored.
      read => read.frames.length > 0 || read === DENSE,
      isWanted,
    )
  }

  /** Shares one read among all callers. @param keeps whether the page is complete, so that it is cached. */
  async #shared(
    key: string,
    read: (isWanted: IsWanted) => Promise<PageFrames>,
    keeps: (page: PageFrames) => boolean,
    isWanted: IsWanted,
  ): Promise<PageFrames> {
    const known = this.#full.get(key) ?? this.#reads.join(key, isWanted)
    return known ?? this.#reads.begin(key, isWanted, read, page => keeps(page) && this.#full.set(key, page))
  }

  async #read(stream: HubStream, after: Position, isWanted: IsWanted): Promise<PageFrames> {
    const read = async () => {
      const { edition, id } = stream
      const page = await this.#readWhere(stream, after, (after + PAGE_EVENTS) as Position, async server => {
        return new PageFrames(after, await readPage(server, id, after, PAGE_EVENTS, PAGE_BYTES))
      })
      if (edition === stream.edition) stream.recall(page)
      return page
    }
    return (await this.slots.run(read, isWanted)) ?? UNWANTED
  }

  /** Reads a page up to `end` from the replica, or from the primary if the replica does not have all of it. */
  async #readWhere(stream: HubStream, after: Position, end: Position, readOn: ReadOn): Promise<PageFrames> {
    return (await this.#replica?.read(stream, after, end, readOn)) ?? (await readOn(this.#database))
  }
}

/** The start of all keys of a stream. */
function keyOf(stream: StreamId): string {
  return `${stream}:`
}

/** The events of a page that continue the cursor. */
function continuing(page: PageFrames, cursor: Cursor): readonly EventFrames[] {
  return page.has(cursor) ? page.beyond(cursor.position) : []
}

/** Includes the key, because a client chooses how long its filter is. */
function bytesOf(page: PageFrames, key: string): number {
  return page.bytes + key.length
}
