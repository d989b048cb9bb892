/** Whether the log still has the history that was read before: a restore or a failover may have lost its tail. */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId } from './event.js'
import type { Head } from './log.js'

/** A stream that gets no further events. */
export interface Ended {
  readonly id: StreamId
  /** Position of the last event of a closed stream; null if the stream no longer exists. */
  readonly end: Position | null
}

/** Of these streams, the ones that no longer exist or are closed. They are looked at one by one only if there are any. */
export async function findEnded(database: Queryable, streams: readonly StreamId[]): Promise<Ended[]> {
  const { rows } = await database.query<Ended>({
    name: 'sluice-find-ended',
    text: `
      select known.id, case when s.id is not null then coalesce(e."position", s.base_position) end as "end"
        from unnest($1::bigint[]) as known (id)
        left join lateral (select s.* from sluice.streams s where s.id = known.id limit 1) s on true
        left join lateral (
               select e."position" from sluice.events e
                where e.stream_id = s.id and s.closed_at is not null order by e."position" desc limit 1) e on true
       where (s.id is null or s.closed_at is not null)
         and (select count(*) from sluice.streams s
               where s.id = any ($1::bigint[]) and s.closed_at is null) < cardinality($1::bigint[])`,
    values: [streams],
  })
  return rows
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
