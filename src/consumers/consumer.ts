/** A consumer as it is stored: a named, durable cursor on a stream, and who holds it. */
import type { Position, StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'

declare const consumerId: unique symbol
declare const consumerEpoch: unique symbol

/** A UUID. The one of a webhook is the id of the webhook too. */
export type ConsumerId = string & { readonly [consumerId]: true }
/** Raised by each claim, seek and change of a consumer. A request that names an older one is refused (fencing). */
export type Epoch = number & { readonly [consumerEpoch]: true }
/** `pull`: a client reads it. `webhook`: the deliverer of some process sends its events. */
export type ConsumerKind = 'pull' | 'webhook'
/**
 * Why a holder has lost a consumer: another claim, a seek, a change of its filter, a pause of its webhook, its deletion.
 */
export type LostReason = 'taken-over' | 'sought' | 'changed' | 'paused' | 'deleted'

/** The right of a holder to a consumer. */
export interface Claim {
  readonly id: ConsumerId
  readonly epoch: Epoch
}

export interface Consumer extends Claim {
  readonly workspace: string
  readonly kind: ConsumerKind
  readonly name: string
  readonly stream: string
  /** The stream of the cursor. A deleted stream that is created again under its name has another number. */
  readonly streamId: StreamId
  /** As in FilterTexts; null: every event. */
  readonly types: string | null
  readonly where: string | null
  readonly description: string | null
  readonly ackTimeoutMs: number
  /** The number of events that may be handed out and not acknowledged. */
  readonly maxInFlight: number
  /** Everything up to this event is acknowledged. */
  readonly cursor: Head
  /** Where it continues after a `reset` that no holder has acknowledged yet; the cursor is lost, or of a lost history. */
  readonly reset: ResetPlace | null
  readonly lastAckAt: Date | null
  /** The last event that the present holder has got, as far as `noteHandedOut` has stored it. */
  readonly handed: { readonly position: Position; readonly eventId: string; readonly at: Date } | null
  /** The number of events that were handed out and not acknowledged when that was last stored. */
  readonly inFlight: number
  readonly fencedBy: Exclude<LostReason, 'deleted'> | null
  /** Whether a deliverer may claim it. */
  readonly active: boolean
  /** Undefined while nobody holds it: it was released, or its lease has expired. */
  readonly held: Held | undefined
  readonly laggingSince: Date | null
  readonly lostAt: Date | null
  readonly createdAt: Date
  readonly createdBy: string
}

/** Where a consumer continues, because the log does not continue its cursor. */
export interface ResetPlace {
  readonly stream: StreamId
  readonly to: Head
}

export interface Held {
  /** The principal; null for a webhook. */
  readonly principal: string | null
  /** The process that renews the lease; null for a client that reads pages. */
  readonly node: string | null
  readonly since: Date
  /** When the lease expires unless it is renewed. */
  readonly until: Date
}

/** Milliseconds until the events in flight time out, by the clock of the database, which wrote the times. */
export function overdueInMs({ handed, lastAckAt, ackTimeoutMs }: Consumer, clockAheadMs: number): number {
  const since = Math.max(handed?.at.getTime() ?? 0, lastAckAt?.getTime() ?? 0)
  return since + ackTimeoutMs - (Date.now() + clockAheadMs)
}
