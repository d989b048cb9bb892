/**
 * The statements on sluice.consumers that move the places of a holder: its cursor, and how far events after it are handed out. One
 * per function, each in one round trip. A place of an older epoch changes nothing (migrations/0046_consumers.sql).
 */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'
import type { Claim, Consumer } from './consumer.js'
import { CONSUMER, type ConsumerRow, columnsOf, consumerOf } from './consumer-rows.js'

/** A place in the stream of a claimed consumer. */
export interface ClaimedPlace extends Claim {
  readonly position: Position
  readonly eventId: string
}

/**
 * Acknowledges: moves cursors forward to events that the log holds, which the caller has verified. A place that is not after the
 * cursor, or before a reset that waits, changes nothing and is not refused. At most one place for each consumer.
 * @returns the claims that were refused: their epoch is not the present one, or the consumer was deleted.
 */
export async function moveCursors(
  database: Queryable,
  places: readonly ClaimedPlace[],
): Promise<readonly Claim[]> {
  if (places.length === 0) return []
  const { rows } = await database.query<Claim>({
    name: 'sluice-move-cursors',
    text: 'select id, epoch from sluice.move_cursors($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[])',
    values: placesOf(places),
  })
  return rows
}

/**
 * Moves cursors over events that filters leave out, as `moveCursors` does, but only to places that the log still has: a failover may
 * have lost them since they were read, and a client that has not received them needs no reset. Retention may have removed the event
 * of the place, but none after it. While a reset waits, none moves.
 * @returns the claims that were refused, except for places that the log has lost.
 */
export async function passOver(
  database: Queryable,
  places: readonly ClaimedPlace[],
): Promise<readonly Claim[]> {
  if (places.length === 0) return []
  const { rows } = await database.query<Claim>({
    name: 'sluice-pass-over',
    text: `select m.id, m.epoch
             from (
               select array_agg(p.id) as ids, array_agg(p.epoch) as epochs, array_agg(p.place) as places,
                      array_agg(p.event_id) as events
                 from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[]) as p (id, epoch, place, event_id)
                 join sluice.consumers c on c.id = p.id
                 join sluice.streams s on s.id = c.stream_id
                where c.reset_position is null
                  and ((s.base_position = p.place and s.base_event_id = p.event_id)
                       or exists (select from sluice.events e
                                   where e.stream_id = s.id and e."position" = p.place and e.event_id = p.event_id))
             ) kept
            cross join lateral sluice.move_cursors(kept.ids, kept.epochs, kept.places, kept.events) m`,
    values: placesOf(places),
  })
  return rows
}

export interface HandedOut extends ClaimedPlace {
  /** The number of events that are handed out and not acknowledged. */
  readonly inFlight: number
}

/**
 * Notes up to which events the holders have got everything. The first event in flight starts the clock of `handed.at`.
 * @param leaseMs extends the leases too, for clients that read pages.
 * @returns the claims that were lost.
 */
export async function noteHandedOut(
  database: Queryable,
  handed: readonly HandedOut[],
  leaseMs?: number,
): Promise<readonly Claim[]> {
  if (handed.length === 0) return []
  const { rows } = await database.query<Claim>({
    name: 'sluice-hand-out',
    text: 'select id, epoch from sluice.hand_out($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::integer[], $6)',
    values: [
      ...columnsOf(handed),
      handed.map(({ position }) => position),
      handed.map(({ eventId }) => eventId),
      handed.map(({ inFlight }) => inFlight),
      leaseMs === undefined ? null : Math.ceil(leaseMs),
    ],
  })
  return rows
}

/**
 * The log does not continue the cursor of a claimed consumer. Puts the one of a webhook, whose receiver has had the reset, where the
 * stream continues; the reset of a pull consumer waits in the row until it is acknowledged (moveCursors). The first loss publishes `consumer.lagging` on the workspace's feed in the same transaction; `firstLoss` says so.
 * Undefined if the claim was lost, or if another stream has the number: a restore gives those of lost streams again, and the holder
 * may have found the consumer's stream before it.
 */
export async function resetCursor(
  database: Queryable,
  { id, epoch }: Claim,
  stream: StreamId,
  to: Head,
): Promise<{ readonly consumer: Consumer; readonly firstLoss: boolean } | undefined> {
  const { rows } = await database.query<ConsumerRow & { firstLoss: boolean }>({
    name: 'sluice-reset-consumer',
    text: `select ${CONSUMER}, r.first_loss as "firstLoss"
             from sluice.consumers o
             left join sluice.streams s on s.id = $3
            cross join lateral sluice.reset_consumer(o.id, $2, $3, $4, $5) r
            cross join lateral (select (r.consumer).*) c
            where o.id = $1 and (s.id is null or (s.workspace = o.workspace and s.name = o.stream))`,
    values: [id, epoch, stream, to.position, to.eventId],
  })
  return rows.map(({ firstLoss, ...row }) => ({ consumer: consumerOf(row), firstLoss }))[0]
}

/** The places as arrays, for `unnest`. */
function placesOf(places: readonly ClaimedPlace[]) {
  return [...columnsOf(places), places.map(({ position }) => position), places.map(({ eventId }) => eventId)]
}
