/** A webhook as the deliverer knows it: everything that sending needs, and what waits to be sent. */
import type { Cursor } from '../hub/cursor.js'
import type { StreamId } from '../log/event.js'
import type { Exhaustion, Form, Order, State, WebhookId } from './webhook.js'

/** The secrets are in the clear: an endpoint stays in memory, and no part of it may reach a log line. */
export interface Endpoint {
  readonly id: WebhookId
  readonly workspace: string
  /** The name of the stream, and the number that it had when the cursor was last moved. */
  readonly stream: string
  readonly streamId: StreamId
  readonly types: string | undefined
  readonly where: string | undefined
  readonly url: string
  readonly form: Form
  readonly order: Order
  /** Deliveries under way at once; 1 if it is ordered. */
  readonly maxInFlight: number
  readonly onExhausted: Exhaustion
  readonly headers: Readonly<Record<string, string>>
  /** The secrets that sign now, the newest first. Empty if no key of this gateway opens them. */
  readonly secrets: readonly string[]
  /** When the first of these secrets expires, in milliseconds of performance.now(): read the endpoint again then. Undefined: never. */
  readonly secretsUntil?: number | undefined
  /** Changes with every change by an admin: settings, secrets, state, a replay, a retry. */
  readonly revision: number
}

/** Events of the stream after the cursor (`live`); a range that is sent again (`replay`); one event that is (`retry`). */
export const LANES = ['live', 'replay', 'retry'] as const
export type Lane = (typeof LANES)[number]

/** A delivery that waits for its next try. At most one in an ordered lane. */
export interface WaitingDelivery {
  readonly lane: Lane
  /** The position of the event; 0: a message of ours (`sluice.reset`), at most one. */
  readonly position: number
  /** The UUID of the event or of that message: the value of `webhook-id`. */
  readonly eventId: string
  /** Failed attempts since the schedule began. 0: an admin has asked for it, or it begins anew after a pause. */
  readonly attempts: number
  readonly since: Date
  readonly nextTryAt: Date
  readonly status: number | undefined
  readonly error: string | undefined
}

export interface RunningReplay {
  readonly id: string
  /** Everything up to it has been dealt with. */
  readonly cursor: Required<Cursor>
  /** The last event that is sent again. */
  readonly to: Required<Cursor>
}

/** An endpoint and its state beside the cursor, as it is in the database. */
export interface StoredEndpoint {
  readonly endpoint: Endpoint
  readonly state: State
  readonly waiting: readonly WaitingDelivery[]
  readonly replay: RunningReplay | undefined
  /** Since when nothing has succeeded although something was tried; undefined while it works. */
  readonly failingSince: Date | undefined
}
