/**
 * The facts about a stream on one server by which a copy on a replica is compared with the original on the primary.
 *
 * An event keeps its UUID, and identifies the whole history up to it. So a copy whose last event the primary has, too, is a
 * beginning of the primary's stream. A redaction changes events in the middle; its transaction appends an event to the system
 * stream `changed-events` (changed-events.ts), so a server that has the last event of that stream has every redaction.
 */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId } from './event.js'
import { ANCHOR, BOUNDED_STREAM, BOUNDS, type BoundsRow, boundsOf, type Place } from './log.js'

export interface Copy extends Place {
  /** Whether the server replays the log of another one: it has not been promoted. */
  readonly isStandby: boolean
  /** The UUID of the last message about changed events; null before a gateway has started on this database. */
  readonly changes: string | null
}

/**
 * Both ends of a stream on this server, the event at a position, and the last change, from one snapshot. Undefined if the
 * stream does not exist there.
 */
export async function readCopy(
  database: Queryable,
  stream: StreamId,
  position: Position,
): Promise<Copy | undefined> {
  const { rows } = await database.query<BoundsRow & Omit<Copy, keyof Place> & { anchor: string | null }>({
    name: 'sluice-read-copy',
    text: `
      select ${BOUNDS}, ${ANCHOR}, pg_is_in_recovery() as "isStandby",
             (select coalesce(e.event_id, c.base_event_id)
                from sluice.streams c
                left join lateral (
                       select e.event_id from sluice.events e
                        where e.stream_id = c.id order by e."position" desc limit 1) e on true
               where c.workspace = '$system' and c.name = 'changed-events') as changes
       ${BOUNDED_STREAM}`,
    values: [stream, position],
  })
  return rows.map(row => ({
    ...boundsOf(row),
    eventId: row.anchor ?? undefined,
    isStandby: row.isStandby,
    changes: row.changes,
  }))[0]
}
