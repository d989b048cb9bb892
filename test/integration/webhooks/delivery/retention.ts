/** Retention, as the deliverer meets it: the events up to a position are gone. */
import type { Deliveries } from './deliveries.js'

export async function removeThrough(deliveries: Deliveries, position: number): Promise<void> {
  await deliveries.pool.query(
    `with removed as (delete from sluice.events where "position" <= $1 returning stream_id, "position", event_id)
     update sluice.streams s set base_position = r."position", base_event_id = r.event_id
       from removed r where s.id = r.stream_id and r."position" = $1`,
    [position],
  )
}
