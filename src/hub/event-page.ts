/**
 * A page of a stream for callers who ask instead of following: events after a cursor, and where to ask from next.
 * With `waitMs` it waits for the first one (a long poll), woken by the tailer like every subscription.
 */
import type { Database } from '../database/pool.js'
import type { StoredEvent } from '../events/event.js'
import { readFilteredPage } from '../events/filtered-page.js'
import { type Head, readBounds, readPage } from '../events/log.js'
import type { TypeFilter } from '../events/type-filter.js'
import type { Cursor } from './cursor.js'
import type { HubStream } from './hub-stream.js'

const PAGE_BYTES = 4 * 1024 * 1024
/** How many times 10,000 events are looked through for a rare type before an empty page says where it got to. */
const SCANS = 10

export interface EventPageRequest {
  readonly after: Cursor
  readonly limit: number
  readonly filter: TypeFilter | undefined
  /** How long to wait for an event when there is none, in ms; 0 answers at once. */
  readonly waitMs: number
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal
}

export interface EventPage {
  readonly events: readonly StoredEvent[]
  /** Everything up to here has been looked at: ask for what comes after. */
  readonly next: Cursor
  readonly head: Head
}

export async function readEventPage(
  database: Database,
  stream: HubStream,
  request: EventPageRequest,
): Promise<EventPage> {
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), request.waitMs)
  request.signal.addEventListener('abort', () => over.abort())
  if (request.signal.aborted) over.abort()
  let after = request.after
  try {
    for (let scans = 1; ; scans += 1) {
      // Before the log is read: what is committed from here on must not be slept through.
      const grown = stream.grown(over.signal)
      const page = await scan(database, stream, { ...request, after })
      const atHead = page.next.position >= page.head.position
      const waits = request.waitMs > 0 && !over.signal.aborted && !stream.ending
      if (page.events.length > 0 || (atHead ? !waits : scans >= SCANS)) return page
      if (atHead) await grown
      after = page.next
    }
  } finally {
    clearTimeout(timer)
    over.abort()
  }
}

/** Of the log itself, not of this process's head: who has just published here reads what it wrote. */
async function scan(
  database: Database,
  stream: HubStream,
  { after, limit, filter }: EventPageRequest,
): Promise<EventPage> {
  const bounds = await readBounds(database, stream.id)
  const head = bounds?.head ?? stream.head
  if (!filter) {
    const events = await readPage(database, stream.id, after.position, limit, PAGE_BYTES)
    const next = events.at(-1) ?? after
    return {
      events,
      next,
      head: next.position > head.position && next.eventId ? { ...next, eventId: next.eventId } : head,
    }
  }
  const { events, last } = await readFilteredPage(
    ...([database, stream.id, after.position, head.position, filter, limit] as const),
  )
  return { events, next: last ?? (after.position === head.position ? head : after), head }
}
