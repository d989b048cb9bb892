/** The services of the deliverer that all of its endpoints share. */

import type { Database } from '../../database/pool.js'
import type { Cursor } from '../../hub/cursor.js'
import type { Starts } from '../../hub/start.js'
import type { AttemptRecord } from '../delivery-records.js'
import type { Endpoint } from '../endpoint.js'
import type { Clock } from './clock.js'
import type { EndpointChange } from './delivery-rows.js'
import type { DeliveryTally } from './delivery-tally.js'
import type { HeldEvents } from './held-events.js'
import type { ResetReason } from './reset-message.js'
import type { RetrySchedule } from './retry-schedule.js'
import type { Sender } from './sender.js'
import type { Turns } from './turns.js'

export interface DeliveryServices {
  readonly clock: Clock
  readonly schedule: RetrySchedule
  readonly sender: Sender
  readonly turns: Turns
  readonly held: HeldEvents
  readonly tally: DeliveryTally
  readonly starts: Starts
  /** Connections that only read the log. */
  readonly readers: Database
  /** Whether the process may begin deliveries now. All endpoints are woken when that changes. */
  mayDeliver(): boolean
  /** Runs a read of the log when a reader is free for it. */
  reads<T>(work: () => Promise<T>): Promise<T>
  unreadable(error: unknown): void
  note(change: EndpointChange, attempts: readonly AttemptRecord[]): void
  /** An attempt has paused or disabled the endpoint. */
  stopped(endpoint: Endpoint, state: NonNullable<EndpointChange['state']>): void
  lost(endpoint: Endpoint, reason: ResetReason, after: Cursor): void
}
