/** Whether the log still is the one that was read from: a restore or a failover may have lost its tail. */
import type pg from 'pg'
import type { StreamId } from './event.js'
import type { Head } from './log.js'

/** Of the streams, those that are gone, and those whose head as it was seen is neither in the log any more nor its base. */
export async function findBroken(
  database: pg.Pool | pg.PoolClient,
  seen: readonly { readonly id: StreamId; readonly head: Head }[],
): Promise<StreamId[]> {
  const { rows } = await database.query<{ id: StreamId }>({
    name: 'sluice-find-broken',
    text: `
      select seen.id
        from unnest($1::bigint[], $2::bigint[], $3::uuid[]) as seen (id, "position", event_id)
       where not exists (
               select from sluice.streams s
                where s.id = seen.id
                  and (s.base_position = seen."position" and s.base_event_id = seen.event_id
                    or exists (
                         select from sluice.events e
                          where e.stream_id = s.id and e."position" = seen."position"
                            and e.event_id = seen.event_id)))`,
    values: [
      seen.map(({ id }) => id),
      seen.map(({ head }) => head.position),
      seen.map(({ head }) => head.eventId),
    ],
  })
  return rows.map(({ id }) => id)
}
