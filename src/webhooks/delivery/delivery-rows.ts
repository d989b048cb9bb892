/**
 * The rows of webhooks as the deliverer uses them: the interface between it and their statements (stored-deliveries.ts). Each
 * function is one transaction for all endpoints of the process together; none is called for each event.
 */
import type { Claim, ConsumerId } from '../../consumers/consumer.js'
import type { Cursor } from '../../hub/cursor.js'
import type { StreamId } from '../../log/event.js'
import type { AttemptRecord, EndpointChange as RecordedChange } from '../delivery-records.js'
import type { StoredEndpoint } from '../endpoint.js'

/** An endpoint and where it stands, as it is stored. The claim proves that this process holds it: every change names its epoch. */
export interface ClaimedEndpoint extends Claim, Omit<StoredEndpoint, 'state'> {
  readonly cursor: Required<Cursor>
}

/** The changes of an endpoint since the last write. */
export interface EndpointChange extends RecordedChange {
  /** The cursor up to which everything is settled: delivered, stored as waiting, or a dead letter. */
  readonly cursor?: Required<Cursor> | undefined
  /** A place beyond the cursor: the events up to it need no delivery. The cursor moves there only if the log still has it. */
  readonly passed?: Required<Cursor> | undefined
  /** Where the endpoint continues after its reset, which it got because the log did not continue the cursor. */
  readonly reset?: { readonly stream: StreamId; readonly to: Required<Cursor> } | undefined
}

export interface DeliveryBatch {
  readonly attempts: readonly AttemptRecord[]
  readonly changes: readonly EndpointChange[]
}

export interface EndpointDifference {
  readonly id: ConsumerId
  /** `gone`: deleted. `inactive`: paused or disabled. `changed`: an admin has changed something. */
  readonly what: 'gone' | 'inactive' | 'changed'
}

export interface DeliveryRows {
  /**
   * Notes that this process delivers, for `ttlMs`.
   * @returns the processes that deliver, this one included, and the endpoints that are active.
   */
  join(node: string, ttlMs: number): Promise<{ readonly nodes: number; readonly endpoints: number }>
  leave(node: string): Promise<void>
  /** Claims at most `limit` active endpoints without a lease, or with one that has expired. Raises their epochs. */
  claim(node: string, limit: number, leaseMs: number): Promise<readonly ClaimedEndpoint[]>
  /** @returns the ids of the endpoints that this process no longer holds. */
  renew(node: string, held: readonly Claim[], leaseMs: number): Promise<readonly ConsumerId[]>
  /** Ends the leases at once, so that another process need not wait for their end. */
  release(node: string, held: readonly Claim[]): Promise<void>
  /** Compares endpoints with their rows. @param revisions the known revision of each. @returns those that differ now. */
  changed(revisions: ReadonlyMap<ConsumerId, number>): Promise<readonly EndpointDifference[]>
  /** The endpoint as it is now; undefined if it is no longer held under this epoch, or not active. */
  read(held: Claim): Promise<ClaimedEndpoint | undefined>
  /**
   * Attempts are stored under any epoch, because they have happened; changes only under the present one.
   * @returns the ids of the endpoints whose changes were not stored.
   */
  record(batch: DeliveryBatch): Promise<readonly ConsumerId[]>
}
