/** Whether the log still has the history that was read before: a restore or a failover may have lost its tail. */
import type { Queryable } from '../database/pool.js'
import type { StreamId } from './event.js'
import type { Head } from './log.js'

/** The streams that no longer exist. */
export async function findGone(database: Queryable, streams: readonly StreamId[]): Promise<StreamId[]> {
  const { rows } = await database.query<{ id: StreamId }>({
    name: 'sluice-find-gone',
    text: `
      select known.id from unnest($1::bigint[]) as known (id)
       where (select s.id from sluice.streams s where s.id = known.id) is null`,
    values: [streams],
  })
  return rows.map(({ id }) => id)
}

/**
 * Whether all these places are in the log, in one snapshot. Then they belong to one history: an event keeps its
 * UUID, so the log before the last of them is the same as when that event was read.
 */
export async function hasAll(
  database: Queryable,
  stream: StreamId,
  places: readonly Head[],
): Promise<boolean> {
  const { rows } = await database.query<{ all: boolean }>({
    name: 'sluice-has-all',
    text: `
      select bool_and(coalesce(
               (select e.event_id from sluice.events e where e.stream_id = $1 and e."position" = seen."position"),
               (select s.base_event_id from sluice.streams s where s.id = $1 and s.base_position = seen."position")
             ) is not distinct from seen.event_id) as all
        from unnest($2::bigint[], $3::uuid[]) as seen ("position", event_id)`,
    values: [stream, places.map(({ position }) => position), places.map(({ eventId }) => eventId)],
  })
  return rows[0]?.all ?? true
}
