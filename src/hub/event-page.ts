/**
 * A page of a stream for callers that ask instead of following: events that continue a cursor by identity, and where to
 * ask from next. With `waitMs` it waits for the first one (a long poll), woken by the tailer like every subscription.
 */
import type { Database } from '../database/pool.js'
import type { StoredEvent } from '../log/event.js'
import { type FilteredPage, readFilteredPage } from '../log/filtered-page.js'
import { type Head, type Page, readBounds, readPage, readPlace } from '../log/log.js'
import type { TypeFilter } from '../log/type-filter.js'
import { signalOrDeadline } from '../process/deadline.js'
import type { Cursor } from './cursor.js'
import type { HubStream } from './hub-stream.js'
import { lossOf, type Reset, resetTo } from './start.js'

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

/** A reset where the log does not go on after the cursor, also when that happens while the caller waits. */
export async function readEventPage(
  database: Database,
  stream: HubStream,
  request: EventPageRequest,
): Promise<EventPage | Reset> {
  const over = signalOrDeadline(request.signal, request.waitMs)
  let after = request.after
  try {
    for (let scans = 1; ; scans += 1) {
      // Before the log is read: what is committed from here on must not be slept through.
      const grown = stream.grown(over.signal)
      const page = await scan(database, stream, { ...request, after })
      const reset = page.continues ? undefined : await findReset(database, stream, after)
      if (reset) return reset
      const atHead = page.next.position >= page.head.position
      const waits = request.waitMs > 0 && !over.signal.aborted && !stream.ending
      if (page.events.length > 0 || (atHead ? !waits : scans >= SCANS)) return page
      if (atHead) await grown
      after = page.next
    }
  } finally {
    over.release()
  }
}

/** Of the log itself, not of this process's head: a caller that has just published here reads what it wrote. */
async function scan(
  database: Database,
  stream: HubStream,
  { after, limit, filter }: EventPageRequest,
): Promise<EventPage & { readonly continues: boolean }> {
  const bounds = await readBounds(database, stream.id)
  const head = bounds?.head ?? stream.head
  const { id } = stream
  const { anchor, events, last } = filter
    ? await readFilteredPage(database, id, after.position, head.position, filter, limit)
    : withLast(await readPage(database, id, after.position, limit, PAGE_BYTES))
  if (anchor === undefined || (after.eventId ?? anchor) !== anchor)
    return { continues: false, events: [], next: after, head }
  const next = last ?? { position: after.position, eventId: anchor }
  return { continues: true, events, next, head: next.position >= head.position ? next : head }
}

function withLast(page: Page): FilteredPage {
  return { ...page, last: page.events.at(-1) }
}

async function findReset(database: Database, stream: HubStream, cursor: Cursor): Promise<Reset | undefined> {
  const place = await readPlace(database, stream.id, cursor.position)
  const why = place && lossOf(cursor, place)
  return why && resetTo(place, why)
}
