/**
 * Follows a stream of the log in this process, for code instead of a client: events in order, each once, from a cursor. It
 * waits for the tailer like a long poll and reads the log in pages, so a slow consumer holds one page and delays nobody.
 */

import { databaseFault } from '../database/database-fault.js'
import { isBusy } from '../database/fair-gate.js'
import type { Database } from '../database/pool.js'
import { FEED, type Position, type StoredEvent } from '../log/event.js'
import { EventFilter } from '../log/event-filter.js'
import { formatEventId, parseEventId } from '../log/event-id.js'
import { notFound, Problem } from '../problems/problem.js'
import { Backoff } from '../process/backoff.js'
import { elapsed } from '../process/deadline.js'
import { type Cursor, placeOf } from './cursor.js'
import { readEventPage } from './event-page.js'
import type { Hub } from './hub.js'
import type { HubStream } from './hub-stream.js'
import type { Reset, StartAt } from './start.js'

const PAGE_EVENTS = 500
/** Duration of one wait. When it is over, the next one begins. */
const WAIT_MS = 60_000
const RETRY_MS = { minMs: 100, maxMs: 1_000 }

export interface FollowSources {
  readonly hub: Pick<Hub, 'open' | 'starts' | 'isAtItsEnd' | 'mode'>
  readonly database: Database
}

export interface FollowOptions {
  readonly workspace: string
  /** Default: the feed of the workspace. */
  readonly stream?: string | undefined
  /** `now` (default), `beginning`, the id of the event to start after, or a time: the first event of that time or later. */
  readonly after?: string | Date | undefined
  /** Names of types, or prefixes that end in `*`, separated by commas. Default: all. */
  readonly types?: string | undefined
  /** A condition on the data, such as `data.project eq "A12"`; docs/protocol.md has the grammar. Default: all events. */
  readonly where?: string | undefined
  /** Ends the iteration when it aborts. */
  readonly signal?: AbortSignal | undefined
}

export interface LogEvent {
  readonly kind: 'event'
  /** Pass it as `after` to continue after this event. */
  readonly id: string
  readonly position: number
  readonly type: string
  readonly data: unknown
  readonly at: Date
  /** The trace in which it was published (W3C Trace Context), if its publisher named one. */
  readonly traceparent?: string
}

/** The log does not continue after the cursor: load your state again. Further events come after `head`. */
export interface LogReset {
  readonly kind: 'reset'
  readonly reason: Reset['reason']
  readonly head: string
}

/**
 * Ends when `signal` aborts, when the process drains, and at the end of a closed stream. While the database is
 * unavailable, or busy with this workspace, it waits.
 * @throws {Problem} 404 `not-found`: there is no such stream, or it was deleted; 400 `invalid-event-id`, `invalid-types`, `invalid-where`.
 */
export async function* followEvents(
  { hub, database }: FollowSources,
  {
    workspace,
    stream: name = FEED,
    after = 'now',
    types,
    where,
    signal = new AbortController().signal,
  }: FollowOptions,
): AsyncGenerator<LogEvent | LogReset, void> {
  const isOver = () => signal.aborted || hub.mode === 'draining'
  /** The result of `work`, as soon as the database is available; undefined once this is over. */
  const patiently = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    const backoff = new Backoff(RETRY_MS)
    while (!isOver()) {
      try {
        return await work()
      } catch (error) {
        if (!databaseFault(error) && !isBusy(error)) throw error
        await elapsed(backoff.next(), signal)
      }
    }
    return undefined
  }
  const filter = EventFilter.of({ types, where })
  let from: StartAt | undefined = startAt(after)
  let cursor: Cursor = { position: 0 as Position }
  const handle = await patiently(() => hub.open(workspace, name))
  if (!handle) {
    if (isOver()) return
    throw notFound('stream')
  }
  const { stream } = handle
  try {
    while (!isOver()) {
      if (stream.deleted) throw notFound('stream')
      if (from) {
        const start = await patiently(starting(hub, stream, from, filter))
        if (!start) return
        cursor = start.cursor
        from = undefined
        if (start.reset) yield resetOf(start.reset)
      }
      const reached = cursor
      if (await patiently(() => hub.isAtItsEnd(workspace, name, stream, reached))) return
      const request = { workspace, after: reached, limit: PAGE_EVENTS, filter, waitMs: WAIT_MS, signal }
      const { edition } = stream
      const page = await patiently(() => readEventPage(database, stream, request))
      if (!page) return
      if ('reason' in page) {
        from = startAt(page.head)
        yield resetOf(page)
        continue
      }
      for (const event of page.events) {
        if (isOver()) return
        // The caller was busy meanwhile, and some of the rest may have been redacted: it is read again.
        if (edition !== stream.edition) break
        cursor = placeOf(event)
        yield eventOf(event)
      }
      if (edition === stream.edition) cursor = placeOf(page.next)
    }
  } finally {
    handle.release()
  }
}

function starting(
  hub: FollowSources['hub'],
  stream: HubStream,
  from: StartAt,
  filter: EventFilter | undefined,
) {
  return () => hub.starts.resolve(stream, from, filter)
}

function startAt(after: string | Date): StartAt {
  if (after instanceof Date) return { at: 'time', time: after }
  if (after === 'now' || after === 'beginning') return { at: after }
  const id = parseEventId(after)
  if (id) return { at: 'after', id }
  throw new Problem(400, 'invalid-event-id', '`after` is not an event id, such as 10532.k7f3qa.')
}

function eventOf({ position, eventId, type, data, at, traceparent }: StoredEvent): LogEvent {
  const id = formatEventId(position, eventId)
  return {
    kind: 'event',
    id,
    position,
    type,
    data: JSON.parse(data),
    at,
    ...(traceparent && { traceparent }),
  }
}

function resetOf({ reason, head }: Reset): LogReset {
  return { kind: 'reset', reason, head }
}
