/** Who published events, and how: columns of the log beside the events, which only admins of the workspace may read. */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId, Way } from './event.js'

export interface EventPublisher {
  readonly position: Position
  readonly eventId: string
  /** The principal; null if it was not recorded, or erased with the data. */
  readonly actor: string | null
  /** Null for an event from before it was recorded. */
  readonly way: Way | null
}

/** The publishers of the events at these positions, in the order of the log. Positions without an event are left out. */
export async function readPublishers(
  database: Queryable,
  stream: StreamId,
  positions: readonly Position[],
): Promise<EventPublisher[]> {
  const { rows } = await database.query<EventPublisher>({
    name: 'sluice-read-publishers',
    text: `
      select e."position", e.event_id as "eventId", e.actor, e.way
        from sluice.events e where e.stream_id = $1 and e."position" = any($2) order by e."position"`,
    values: [stream, positions],
  })
  return rows
}
