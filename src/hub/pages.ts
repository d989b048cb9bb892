/**
 * Reads the past for those who catch up. The log is cut into aligned pages of 256 positions; a full page can never
 * change within one history of its stream, so it is kept for a while, and many clients that come back at once (a
 * deploy) cost one read a page instead of one each. Only a few reads run at a time, so that catching up never starves
 * the tailer or publishers.
 */
import { LRUCache } from 'lru-cache'
import limit from 'p-limit'
import type { Database } from '../database/pool.js'
import type { Position } from '../events/event.js'
import { readPage } from '../events/log.js'
import { EventFrames } from './event-frames.js'
import type { HubStream } from './hub-stream.js'

const PAGE_EVENTS = 256
const PAGE_BYTES = 1024 * 1024
const CACHE_BYTES = 32 * 1024 * 1024
const READERS = 4

type Page = readonly EventFrames[]

export class Pages {
  readonly #database: Database
  readonly #slots = limit(READERS)
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
    const page = await this.#aligned(stream, (position - (position % PAGE_EVENTS)) as Position)
    const events = page.filter(frames => frames.position > position)
    // The page was cut by bytes, or its read began before the event was committed.
    return events.length > 0 ? events : this.#read(stream, position)
  }

  async #aligned(stream: HubStream, start: Position): Promise<Page> {
    const key = `${stream.history}:${start}`
    return this.#full.get(key) ?? this.#flights.get(key) ?? this.#fly(key, stream, start)
  }

  #fly(key: string, stream: HubStream, start: Position): Promise<Page> {
    const flight = this.#read(stream, start)
      .then(page => {
        if (page.length === PAGE_EVENTS && page.at(-1)?.position === start + PAGE_EVENTS)
          this.#full.set(key, page)
        return page
      })
      .finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  #read(stream: HubStream, after: Position): Promise<Page> {
    return this.#slots(async () => {
      const events = await readPage(this.#database, stream.id, after, PAGE_EVENTS, PAGE_BYTES)
      return events.map(event => new EventFrames(event))
    })
  }
}

function bytesOf(page: Page): number {
  return page.reduce((sum, frames) => sum + frames.bytes, 0)
}
