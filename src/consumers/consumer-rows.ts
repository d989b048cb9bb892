/**
 * The statements on sluice.consumers that read and hold them: one per function, each in one round trip. They take a pool, or a client
 * to run within the caller's transaction. Batches lock their rows in the order of ids, so they never deadlock with each other, and a
 * lease of an older epoch changes nothing (migrations/0046_consumers.sql).
 */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId } from '../log/event.js'
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

/** The consumers that exist, in no particular order. */
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
  /** Claims consumers of other holders, too. Default false. */
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
 * Ends leases. A claim that was lost before changes nothing. The epochs stay, so acknowledgements still count until the next
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

/** The claims as two arrays, for `unnest`. */
export function columnsOf(claims: readonly Claim[]): [ids: ConsumerId[], epochs: Epoch[]] {
  return [claims.map(({ id }) => id), claims.map(({ epoch }) => epoch)]
}
