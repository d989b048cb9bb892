/**
 * A page of a stream, for callers that poll instead of following: events that continue a cursor by identity, and the cursor
 * for the next request. With `waitMs` it waits for the first event (a long poll); the tailer ends the wait when it brings
 * events, as it does for subscriptions.
 */
import { gateOf } from '../database/fair-gate.js'
import type { Database } from '../database/pool.js'
import { isDelivered, type StoredEvent } from '../log/event.js'
import { EventFilter } from '../log/event-filter.js'
import { type FilteredPage, readFilteredPage } from '../log/filtered-page.js'
import { type Head, type Page, readBounds, readPage, readPlace } from '../log/log.js'
import { Problem } from '../problems/problem.js'
import { signalOrDeadline } from '../process/deadline.js'
import type { Cursor } from './cursor.js'
import type { Hub } from './hub.js'
import type { HubStream } from './hub-stream.js'
import { lossOf, type Reset, resetTo, type StartAt } from './start.js'
import type { GrantedStreams } from './stored-stream.js'

const PAGE_BYTES = 4 * 1024 * 1024
const EVERY_EVENT = EventFilter.ofTypes('*')
/** How many times 10,000 events are searched for a rare type before an empty page returns the cursor that was reached. */
const SCANS = 10

export interface EventPageRequest {
  /** Each of its reads waits for the turn of this workspace, so that many expensive pages leave connections to others (I5). */
  readonly workspace: string
  readonly after: Cursor
  readonly limit: number
  readonly filter: EventFilter | undefined
  /** How long to wait for an event if there is none, in milliseconds; 0 answers at once. */
  readonly waitMs: number
  /** Ends the wait: the client has disconnected, or its credentials have ended. */
  readonly signal: AbortSignal
  /** Aborts when the caller has gone: its reads then leave the queue for the database. Default: the caller stays. */
  readonly gone?: AbortSignal | undefined
}

export interface EventPage {
  readonly events: readonly StoredEvent[]
  /** The page covers everything up to this cursor. Request the next page after it. */
  readonly next: Cursor
  readonly head: Head
}

export interface StreamPageRequest extends Omit<EventPageRequest, 'after'> {
  readonly stream: string
  /** The streams that the caller may read, which the database compares; default: all. */
  readonly streams?: GrantedStreams
  readonly from: StartAt
}

export type EventPageResult =
  | { readonly outcome: 'page'; readonly page: EventPage }
  /** The log does not continue the cursor. */
  | { readonly outcome: 'reset'; readonly reset: Reset }
  | { readonly outcome: 'not-found' }

/** For a client whose cursor the log does not continue. */
export function discontinuity(reset: Reset): Problem {
  const detail = 'The log does not continue after this event. Load your state again, then follow from `head`.'
  return new Problem(410, reset.reason, detail, { earliest: reset.earliest, head: reset.head })
}

/** A page of the stream of that name. @param database reads the page; the hub's own is for subscriptions. */
export async function findEventPage(
  hub: Pick<Hub, 'open' | 'starts'>,
  database: Database,
  { stream, streams, from, ...request }: StreamPageRequest,
): Promise<EventPageResult> {
  const handle = await hub.open(request.workspace, stream, { streams, gone: request.gone })
  if (!handle) return { outcome: 'not-found' }
  try {
    const { cursor, reset } = await hub.starts.resolve(handle.stream, from, undefined, request)
    if (reset) return { outcome: 'reset', reset }
    const page = await readEventPage(database, handle.stream, { ...request, after: cursor })
    if (handle.stream.deleted) return { outcome: 'not-found' }
    return 'reason' in page ? { outcome: 'reset', reset: page } : { outcome: 'page', page }
  } finally {
    handle.release()
  }
}

/**
 * @returns a reset if the log does not continue the cursor, even if it loses the cursor while the caller waits.
 * @throws the reason of `gone`.
 */
export async function readEventPage(
  database: Database,
  stream: HubStream,
  request: EventPageRequest,
): Promise<EventPage | Reset> {
  const over = signalOrDeadline(request.signal, request.waitMs)
  const wasClosed = stream.closed
  let { after, filter } = request
  try {
    for (let scans = 1; ; scans += 1) {
      // The stream is watched before the log is read, so that an event committed after the read ends the wait.
      const grown = stream.grown(over.signal)
      const read = () => scan(database, stream, { ...request, after, filter })
      const page = await gateOf(database).run(request.workspace, read, request.gone)
      const reset = page.continues ? undefined : await findReset(database, stream, after)
      if (reset) return reset
      const atHead = page.next.position >= page.head.position
      const ends = stream.ending || stream.deleted || stream.closed !== wasClosed
      const waits = request.waitMs > 0 && !over.signal.aborted && !ends
      if (page.events.length > 0 || (atHead ? !waits : scans >= SCANS)) return page
      if (atHead) await grown
      // All of these events are compacted. A filter passes over more of them in one read.
      else filter ??= EVERY_EVENT
      after = page.next
    }
  } finally {
    over.release()
  }
}

/** Reads the log itself, not this process's copy: a caller that has just published here gets its own event. */
async function scan(
  database: Database,
  stream: HubStream,
  { after, limit, filter }: EventPageRequest,
): Promise<EventPage & { readonly continues: boolean }> {
  const bounds = await readBounds(database, stream.id, stream.named)
  if (!bounds) {
    stream.verify()
    return { continues: false, events: [], next: after, head: stream.head }
  }
  const { head } = bounds
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
  return { ...page, events: page.events.filter(isDelivered), last: page.events.at(-1) }
}

async function findReset(database: Database, stream: HubStream, cursor: Cursor): Promise<Reset | undefined> {
  const place = await readPlace(database, stream.id, cursor.position, stream.named)
  const why = place && lossOf(cursor, place)
  return why && resetTo(place, why)
}
