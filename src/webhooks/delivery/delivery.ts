/** One delivery that a lane has begun: of an event, or of a message of ours, for the first time or again. */
import type { Position } from '../../log/event.js'
import type { Outcome as AttemptOutcome, AttemptRecord } from '../delivery-records.js'
import type { Lane as LaneName, WaitingDelivery } from '../endpoint.js'
import type { WebhookId } from '../webhook.js'
import type { Item } from './event-window.js'
import { type Attempted, errorOf, statusOf } from './verdict.js'

export interface Delivery {
  readonly lane: LaneName
  /** 0: a message of ours. */
  readonly position: number
  readonly eventId: string
  /** Attempts that have failed. */
  readonly attempts: number
  readonly since: Date | undefined
  /** The event as it was read ahead; default: it is read when it is sent. */
  readonly item?: Item | undefined
  /** The type of the message that was sent last. */
  type: string
  /** When it was sent, in milliseconds since 1970. */
  sentAt: number
}

export function firstDelivery(lane: LaneName, item: Item): Delivery {
  const { position, eventId } = item.cursor
  return { lane, position, eventId, attempts: 0, since: undefined, item, type: '', sentAt: 0 }
}

export function nextTry({ lane, position, eventId, attempts, since }: WaitingDelivery): Delivery {
  return { lane, position, eventId, attempts, since, type: '', sentAt: 0 }
}

/** The place of its event. */
export function cursorOf({ position, eventId }: Pick<Delivery, 'position' | 'eventId'>) {
  return { position: position as Position, eventId }
}

/** The delivery as it waits after a failed attempt. */
export function waitingAfter(
  delivery: Delivery,
  result: Attempted,
  now: number,
  pauseMs: number,
): WaitingDelivery {
  const { lane, position, eventId, attempts, since } = delivery
  return {
    lane,
    position,
    eventId,
    attempts: attempts + 1,
    since: since ?? new Date(now),
    nextTryAt: new Date(now + pauseMs),
    status: statusOf(result),
    error: errorOf(result),
  }
}

export function attemptOf(
  webhook: WebhookId,
  delivery: Delivery,
  result: Attempted,
  outcome: AttemptOutcome,
  nextTryAt: Date | undefined,
): AttemptRecord {
  const { lane, position, eventId, attempts, type, sentAt } = delivery
  return {
    webhook,
    lane,
    position,
    eventId,
    type,
    attempt: attempts + 1,
    at: new Date(sentAt),
    outcome,
    status: statusOf(result),
    milliseconds: result.milliseconds,
    error: errorOf(result),
    answer: result.kind === 'answered' && result.answer !== '' ? result.answer : undefined,
    nextTryAt,
  }
}
