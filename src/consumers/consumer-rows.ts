/**
 * The statements on sluice.consumers that hold, hand out and acknowledge: one per function, each in one round trip. They take a
 * pool, or a client to run within the caller's transaction. Batches lock their rows in the order of ids, so they never deadlock with
 * each other, and a place or a lease of an older epoch changes nothing (migrations/0046_consumers.sql).
 */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'
import type { Claim, Consumer, ConsumerId, ConsumerKind, Epoch, LostReason } from './consumer.js'

/** The columns of a Consumer, from a row `c`. */
export const CONSUMER = `
  c.id, c.workspace, c.kind, c.name, c.stream, c.stream_id as "streamId", c.types, c.condition as "where", c.description,
  c.ack_timeout_ms as "ackTimeoutMs", c.max_in_flight as "maxInFlight", c.cursor_position as "cursorPosition",
  c.cursor_event_id as "cursorEventId", c.reset_stream_id as "resetStreamId", c.reset_position as "resetPosition",
  c.reset_event_id as "resetEventId", c.last_ack_at as "lastAckAt", c.handed_position as "handedPosition",
  c.handed_event_id as "handedEventId", c.handed_at as "handedAt", c.in_flight as "inFlight", c.epoch, c.fenced_by as "fencedBy",
  c.active, c.holder, c.holder_node as "holderNode", c.held_since as "heldSince",
  case when c.lease_until >= clock_timestamp() then c.lease_until end as "leaseUntil", c.lagging_since as "laggingSince",
  c.lost_at as "lostAt", c.created_at as "createdAt", c.created_by as "createdBy"`

/** A row with these columns. */
export interface ConsumerRow extends Omit<Consumer, 'cursor' | 'reset' | 'handed' | 'held'> {
  readonly cursorPosition: Position
  readonly cursorEventId: string
  readonly resetStreamId: StreamId | null
  readonly resetPosition: Position | null
  readonly resetEventId: string | null
  readonly handedPosition: Position | null
  readonly handedEventId: string | null
  readonly handedAt: Date | null
  readonly holder: string | null
  readonly holderNode: string | null
  readonly heldSince: Date | null
  readonly leaseUntil: Date | null
}

export function consumerOf(row: ConsumerRow): Consumer {
  const { cursorPosition, cursorEventId, handedPosition, handedEventId, handedAt, ...rest } = row
  const {
    resetStreamId,
    resetPosition,
    resetEventId,
    holder,
    holderNode,
    heldSince,
    leaseUntil,
    ...consumer
  } = rest
  return {
    ...consumer,
    cursor: { position: cursorPosition, eventId: cursorEventId },
    reset:
      resetStreamId === null || resetPosition === null || resetEventId === null
        ? null
        : { stream: resetStreamId, to: { position: resetPosition, eventId: resetEventId } },
    handed:
      handedPosition === null || handedEventId === null || handedAt === null
        ? null
        : { position: handedPosition, eventId: handedEventId, at: handedAt },
    held:
      heldSince === null || leaseUntil === null
        ? undefined
        : { principal: holder, node: holderNode, since: heldSince, until: leaseUntil },
  }
}

/** By id, of any workspace: for the holder. Undefined if it was deleted. */
export async function readConsumer(database: Queryable, id: ConsumerId): Promise<Consumer | undefined> {
  return (await readConsumers(database, [id]))[0]
}

/** The ones that exist, in no particular order. */
export async function readConsumers(
  database: Queryable,
  ids: readonly ConsumerId[],
): Promise<readonly Consumer[]> {
  const { rows } = await database.query<ConsumerRow>({
    name: 'sluice-read-consumers',
    text: `select ${CONSUMER} from sluice.consumers c where c.id = any ($1::uuid[])`,
    values: [ids],
  })
  return rows.map(consumerOf)
}

export interface Claiming {
  readonly kind: ConsumerKind
  /** The process that renews the leases; null for a client that reads pages. */
  readonly node: string | null
  /** The principal; null for a deliverer. */
  readonly holder: string | null
  /** The consumers to claim; undefined: any free webhooks. */
  readonly ids?: readonly ConsumerId[] | undefined
  /** Without `ids`: how many webhooks, at most. */
  readonly limit?: number | undefined
  readonly leaseMs: number
  /** Claims what another holder has, too. Default false. */
  readonly takeover?: boolean | undefined
}

/**
 * Claims consumers that are free or whose leases have expired. Each gets a new epoch, and nothing is handed out of it.
 * @returns the claimed ones. One that is missing is held by another, was deleted, or may not be claimed.
 */
export async function claimConsumers(
  database: Queryable,
  { kind, node, holder, ids, limit = 100, leaseMs, takeover = false }: Claiming,
): Promise<readonly Consumer[]> {
  const { rows } = await database.query<ConsumerRow>({
    name: 'sluice-claim-consumers',
    text: `select ${CONSUMER} from sluice.claim_consumers($1, $2, $3, $4::uuid[], $5, $6, $7) c`,
    values: [kind, node, holder, ids ?? null, limit, Math.ceil(leaseMs), takeover],
  })
  return rows.map(consumerOf)
}

export interface LostClaim extends Claim {
  readonly reason: LostReason
}

/**
 * Extends the leases of a process. An expired lease is valid again if nobody has claimed the consumer meanwhile.
 * @returns the claims that were lost, with the reason.
 */
export async function renewLeases(
  database: Queryable,
  node: string | null,
  claims: readonly Claim[],
  leaseMs: number,
): Promise<readonly LostClaim[]> {
  if (claims.length === 0) return []
  const { rows } = await database.query<LostClaim>({
    name: 'sluice-renew-consumers',
    text: 'select id, epoch, reason from sluice.renew_consumers($1, $2::uuid[], $3::bigint[], $4)',
    values: [node, ...columnsOf(claims), Math.ceil(leaseMs)],
  })
  return rows
}

/**
 * Gives up leases; claims that were lost before change nothing. The epochs stay, so acknowledgements still count until the next
 * claim. @param node as in the claims.
 */
export async function releaseLeases(
  database: Queryable,
  node: string | null,
  claims: readonly Claim[],
): Promise<void> {
  if (claims.length === 0) return
  await database.query({
    name: 'sluice-release-consumers',
    text: 'select sluice.release_consumers($1, $2::uuid[], $3::bigint[])',
    values: [node, ...columnsOf(claims)],
  })
}

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
    values: [
      ...columnsOf(places),
      places.map(({ position }) => position),
      places.map(({ eventId }) => eventId),
    ],
  })
  return rows
}

export interface HandedOut extends ClaimedPlace {
  /** The number of events that are handed out and not acknowledged. */
  readonly inFlight: number
}

/**
 * Notes up to which events the holders have got everything. What is in flight at first starts the clock of `handed.at`.
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

/** For unnest. */
function columnsOf(claims: readonly Claim[]): [ids: ConsumerId[], epochs: Epoch[]] {
  return [claims.map(({ id }) => id), claims.map(({ epoch }) => epoch)]
}
