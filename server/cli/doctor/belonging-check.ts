/**
 * Whether a gateway and a database belong together. The first block of a stream carries the event id of the head of the feed, whose
 * check comes from the UUID of that event: no other database has the same. And the head must not be behind the newest event.
 */
import { checkOf, parseEventId } from '../../../src/log/event-id.js'
import type { DatabaseProbe } from './database-probe.js'
import { type Finding, fault, ok, unknown, warning } from './finding.js'

const CHECK = 'same-database'

export interface PlaceFacts {
  /** The UUID of the event at the gateway's head, or of the base there; null if the database has neither. */
  readonly eventId: string | null
  /** The newest position of the feed before the gateway was asked; null: the database has no such feed. */
  readonly before: number | null
}

/** The newest position of the feed of a workspace: read before the gateway is asked. */
export async function newestPosition(probe: DatabaseProbe, workspace: string): Promise<number | null> {
  const [row] = await probe.rows<{ head: number }>(
    `select coalesce((select e.position from sluice.events e where e.stream_id = s.id order by e.position desc limit 1),
                     s.base_position) as head
       from sluice.streams s where s.workspace = $1 and s.name = 'feed'`,
    [workspace],
  )
  return row?.head ?? null
}

/** @param id of the first block of the feed's stream. */
export async function checkBelonging(
  probe: DatabaseProbe,
  workspace: string,
  id: string,
  before: number | null,
): Promise<Finding> {
  const place = parseEventId(id)
  if (place === undefined)
    return unknown(CHECK, 'The stream began without an event id, so gateway and database cannot be compared.')
  const [row] = await probe.rows<{ event: string | null }>(
    `select coalesce((select e.event_id from sluice.events e where e.stream_id = s.id and e.position = $2),
                     case when s.base_position = $2 then s.base_event_id end) as event
       from sluice.streams s where s.workspace = $1 and s.name = 'feed'`,
    [workspace, place.position],
  )
  return judgeBelonging(place, { eventId: row?.event ?? null, before })
}

function judgeBelonging(
  { position, check }: { position: number; check: string | undefined },
  { eventId, before }: PlaceFacts,
): Finding {
  const remedy =
    'Give doctor the DATABASE_URL of this gateway, and look whether all gateways behind the URL have the same one.'
  if (eventId === null || (check !== undefined && checkOf(eventId) !== check)) {
    return fault(
      CHECK,
      `The gateway does not use this database: the head of its feed is at ${position}, and the database has another event there, or none.`,
      remedy,
    )
  }
  return before !== null && position < before
    ? warning(
        CHECK,
        `The gateway uses this database, but knows the feed only up to ${position}: the database has ${before}.`,
        'Look at gateway-bus, and whether the gateway reads the log (sluice cluster).',
      )
    : ok(CHECK, `The gateway uses this database: both know the head of the feed, ${position}.`)
}
