/** The verdict on a delivery, from the result of the sender. */

import type { Outcome as SendResult } from '../sending/outcome.js'
import type { RetrySchedule } from './retry-schedule.js'

const GONE = 410
/** Too many requests, unavailable: the receiver wants no other request before its Retry-After either. */
const ASK_FOR_PAUSE = new Set([429, 503])

export type Attempted = Extract<SendResult, { kind: 'answered' | 'failed' }>

export type Verdict =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly pauseMs: number; readonly endpointPauseMs: number }
  | { readonly kind: 'exhausted' }
  /** The receiver wants no more deliveries at all. */
  | { readonly kind: 'gone' }

/**
 * Only 2xx is a success. 3xx is a failure, because a redirect is never followed (SSRF).
 * @param attempts this one included.
 */
export function verdictOn(result: Attempted, attempts: number, schedule: RetrySchedule): Verdict {
  if (isSuccess(result)) return { kind: 'delivered' }
  if (result.kind === 'answered' && result.status === GONE) return { kind: 'gone' }
  const retryAfterMs = result.kind === 'answered' ? (result.retryAfterMs ?? 0) : 0
  const pauseMs = schedule.pauseAfter(attempts, retryAfterMs)
  if (pauseMs === undefined) return { kind: 'exhausted' }
  const asks = result.kind === 'answered' && ASK_FOR_PAUSE.has(result.status)
  return { kind: 'retry', pauseMs, endpointPauseMs: asks ? schedule.capped(retryAfterMs) : 0 }
}

/** The text of the failure, for the list of deliveries; undefined for a success. */
export function errorOf(result: Attempted): string | undefined {
  if (result.kind === 'failed') return `${result.error}: ${result.detail}`
  if (isSuccess(result)) return undefined
  return result.status >= 300 && result.status < 400 ? 'redirect' : 'status'
}

export function statusOf(result: Attempted): number | undefined {
  return result.kind === 'answered' ? result.status : undefined
}

function isSuccess(result: Attempted): boolean {
  return result.kind === 'answered' && result.status >= 200 && result.status < 300
}
