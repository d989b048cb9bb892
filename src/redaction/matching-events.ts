/**
 * Redacts the events of a stream that match a filter, page by page. One call reads a bounded part of the stream and redacts a bounded
 * number of events, so a caller repeats it until there is no more. Each page is a transaction of its own. Repeating a call, from
 * any place, redacts nothing twice.
 *
 * An event that reports a redaction is never redacted itself: a filter that matches it would otherwise never come to an end.
 */
import type { Origin } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach } from '../database/workspace.js'
import { type Position, REDACTED, type StreamId } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import { checkOf, type EventId } from '../log/event-id.js'
import { readFilteredPage } from '../log/filtered-page.js'
import { findStream, type Head, type Place, readPlace } from '../log/log.js'
import { notFound, Problem } from '../problems/problem.js'
import { type Redaction, redactEvents } from './redactions.js'

/** Events that one call redacts at most. */
export const MOST_REDACTED = 1_000
/** Pages of up to 10,000 events that one call reads. */
const SCANS = 10

export interface MatchingRedaction extends Redaction {
  /** The streams that the caller may read, which the database compares; default: all. */
  readonly streams?: Reach['streams']
  readonly filter: EventFilter
  /** The place that an earlier call has reached; default: the beginning. */
  readonly after: EventId | undefined
  /** At most MOST_REDACTED. */
  readonly limit: number
}

export interface RedactedPart {
  readonly stream: StreamId
  /** How many events were redacted now. */
  readonly redacted: number
  /** Every event up to here was checked. Undefined: every event that the stream had when the call began. */
  readonly next: Head | undefined
}

/** @throws {Problem} 404 `not-found`; 410 `history-lost` for a place that the log has lost; and as `redactEvents`. */
export async function redactMatching(
  database: Database,
  origin: Origin,
  { filter, after, limit, streams, ...redaction }: MatchingRedaction,
): Promise<RedactedPart> {
  const { workspace } = origin
  const { id, place } = await inWorkspace(database, { workspace, streams }, async client => {
    const stream = await findStream(client, workspace, redaction.stream)
    const found = stream && (await readPlace(client, stream.id, after?.position ?? (0 as Position)))
    if (!stream || !found) throw notFound('stream')
    return { id: stream.id, place: found }
  })
  const { head } = place
  let reached = startOf(place, after)
  let redacted = 0
  for (let scans = 0; scans < SCANS && reached.position < head.position && redacted < limit; scans += 1) {
    const { position } = reached
    const page = await inWorkspace(database, workspace, client =>
      readFilteredPage(client, id, position, head.position, filter, MOST_REDACTED),
    )
    // Retention has removed the next event, or the log has lost it: a further call finds out.
    if (!page.last) break
    const matches = page.events.filter(({ type }) => type !== REDACTED)
    const chosen = matches.slice(0, limit - redacted)
    if (chosen.length > 0) redacted += await redactEvents(database, origin, chosen, redaction)
    reached = (chosen.length < matches.length && chosen.at(-1)) || page.last
  }
  return { stream: id, redacted, next: reached.position < head.position ? reached : undefined }
}

/** Retention may have removed the event there since. */
function startOf({ base, eventId }: Place, after: EventId | undefined): Head {
  if (after === undefined || after.position < base.position) return base
  if (eventId !== undefined && checkOf(eventId) === after.check) return { position: after.position, eventId }
  throw new Problem(
    410,
    'history-lost',
    'The log no longer has the event of this cursor. Start again without it: nothing is redacted twice.',
  )
}
