/** The changes that the result of an attempt brings. Pure functions, so that a test shows each row of the schedule. */

import type { AttemptRecord } from '../delivery-records.js'
import type { Endpoint, WaitingDelivery } from '../endpoint.js'
import type { StateReason as StopReason } from '../webhook.js'
import { attemptOf, type Delivery, waitingAfter } from './delivery.js'
import type { EndpointChange } from './delivery-rows.js'
import type { RetrySchedule } from './retry-schedule.js'
import { type Attempted, errorOf, statusOf, verdictOn } from './verdict.js'

export interface Settlement {
  readonly succeeded: boolean
  readonly attempt: AttemptRecord
  /** The delivery as it waits for its next try; undefined: it is settled. */
  readonly waiting?: WaitingDelivery
  readonly dead?: EndpointChange['dead']
  readonly stop?: { readonly to: 'paused' | 'disabled'; readonly reason: StopReason }
  /** For how long the receiver wants no request at all, in milliseconds. */
  readonly pauseMs: number
}

/** @param now in milliseconds since 1970. */
export function settlementOf(
  delivery: Delivery,
  result: Attempted,
  endpoint: Pick<Endpoint, 'id' | 'onExhausted'>,
  schedule: RetrySchedule,
  now: number,
): Settlement {
  const attempts = delivery.attempts + 1
  const verdict = verdictOn(result, attempts, schedule)
  const attempt = (outcome: AttemptRecord['outcome'], nextTryAt?: Date) =>
    attemptOf(endpoint.id, delivery, result, outcome, nextTryAt)
  switch (verdict.kind) {
    case 'delivered':
      return { succeeded: true, attempt: attempt('delivered'), pauseMs: 0 }
    case 'retry': {
      const waiting = waitingAfter(delivery, result, now, verdict.pauseMs)
      return {
        succeeded: false,
        attempt: attempt('failed', waiting.nextTryAt),
        waiting,
        pauseMs: verdict.endpointPauseMs,
      }
    }
    case 'gone':
      return stopped('disabled', 'gone')
    case 'exhausted':
      // A replay, or one event that is sent again, must not stop the events that follow the cursor.
      return endpoint.onExhausted === 'pause' && delivery.lane === 'live'
        ? stopped('paused', 'exhausted')
        : given()
  }

  /** The event is kept, and is the first one after a resume. */
  function stopped(to: 'paused' | 'disabled', reason: StopReason): Settlement {
    const waiting = waitingAfter(delivery, result, now, 0)
    return { succeeded: false, attempt: attempt('failed'), waiting, stop: { to, reason }, pauseMs: 0 }
  }

  function given(): Settlement {
    const { position, eventId, type } = delivery
    const letter = { position, eventId, type, attempts, status: statusOf(result), error: errorOf(result) }
    // A message of ours is no event, and cannot be sent again.
    return { succeeded: false, attempt: attempt('dead'), dead: position > 0 ? [letter] : [], pauseMs: 0 }
  }
}
