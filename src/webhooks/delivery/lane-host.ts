/** The endpoint to which a lane belongs, as the lane sees it (endpoint-delivery.ts). */
import type { Cursor } from '../../hub/cursor.js'
import type { AttemptRecord } from '../delivery-records.js'
import type { Endpoint, Lane as LaneName } from '../endpoint.js'
import type { Message } from '../sending/message.js'
import type { Outcome as SendResult } from '../sending/outcome.js'
import type { Clock } from './clock.js'
import type { EndpointChange } from './delivery-rows.js'
import type { ResetReason } from './reset-message.js'
import type { RetrySchedule } from './retry-schedule.js'

/** The outcome of a try. */
export type Sent =
  | SendResult
  /** The endpoint no longer wants the event, or it was taken out of the stream. */
  | { readonly kind: 'no-event' }
  /** The log no longer has the event. */
  | { readonly kind: 'gone' }
  /** The log cannot be read now. */
  | { readonly kind: 'unreadable' }

export interface Try {
  /** 1 for the first attempt. */
  readonly number: number
  /** Reads the event, when it is the endpoint's turn. */
  load(): Promise<Message | 'gone' | undefined>
}

export interface LaneChange extends Partial<Pick<EndpointChange, 'waiting' | 'settled' | 'dead' | 'reset'>> {
  readonly moved?: Required<Cursor> | undefined
  /** A place beyond the cursor: the events up to it need no delivery. */
  readonly passed?: Required<Cursor> | undefined
  readonly attempt?: AttemptRecord | undefined
}

export interface LaneHost {
  readonly endpoint: Endpoint
  readonly clock: Clock
  readonly schedule: RetrySchedule
  /** Whether a lane may begin a delivery now. It is woken when that changes. */
  readonly mayBegin: boolean
  /** When the endpoint takes requests again, in milliseconds since 1970; may be past. */
  readonly heldUntil: number
  /** Begins no delivery until this time: the breaker of its host is open, the receiver has asked for a pause, or the log cannot be read. */
  hold(until: number): void
  /** Waits for its turn, and sends. Never rejects. */
  send(attempt: Try): Promise<Sent>
  /** Waits for a free reader. */
  read<T>(work: () => Promise<T>): Promise<T>
  /** A read has failed; it is tried again. */
  unreadable(error: unknown): void
  /** A delivery is no longer under way, and its result is noted. */
  settled(): void
  note(lane: LaneName, change: LaneChange): void
  /** @param stop the state into which the attempt puts the endpoint. The endpoint also stops if nothing has succeeded for days. */
  attempted(succeeded: boolean, stop: EndpointChange['state']): void
  /** The replay has sent everything, or the log no longer has its place. */
  ended(how: 'completed' | 'lost'): void
  /** The log does not continue the cursor of the live lane. */
  lost(reason: ResetReason, after: Cursor): void
}
