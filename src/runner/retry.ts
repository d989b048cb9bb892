/** Repeats a request until the server answers: it may be restarting, overloaded, or behind a broken network. */

import { Backoff } from '../process/backoff.js'
import { elapsed } from '../process/deadline.js'
import { GatewayAway, Refusal } from './gateway.js'

const PAUSE_MS = { minMs: 100, maxMs: 5_000 }
/** The longest `Retry-After` that is honoured. */
const LONGEST_RETRY_AFTER_MS = 60_000

export interface RetryOptions {
  /** Ends the retries: the promise rejects with the reason of the signal. */
  readonly signal: AbortSignal
  /** Called before each pause, with the reason for it. */
  onRetry?(error: unknown): void
  /** Whether the same request may succeed later. Default: for errors of the gateway. */
  isPassing?(error: unknown): boolean
  /** How long the server asked us to wait. Default: for errors of the gateway. */
  retryAfterMs?(error: unknown): number
}

/**
 * Calls `ask` until it resolves, or rejects with an error that a retry cannot fix. Retries without limit.
 * @throws the error of `ask`, or the reason of the signal.
 */
export async function untilAnswered<T>(ask: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, onRetry } = options
  const passes = options.isPassing ?? isPassing
  const afterMs = options.retryAfterMs ?? retryAfterMs
  const backoff = new Backoff(PAUSE_MS)
  for (;;) {
    signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      if (!passes(error)) throw error
      onRetry?.(error)
      await elapsed(Math.max(backoff.next(), afterMs(error)), signal)
    }
  }
}

/** Whether the same request may succeed later. RFC 9110 §15.5.9 and §15.6, RFC 6585 §4. */
export function isPassing(error: unknown): boolean {
  if (error instanceof GatewayAway) return true
  return error instanceof Refusal && (error.status >= 500 || error.status === 429 || error.status === 408)
}

/** How long the gateway asked us to wait; 0 if it did not. */
export function retryAfterMs(error: unknown): number {
  return error instanceof Refusal ? Math.min(error.retryAfterMs, LONGEST_RETRY_AFTER_MS) : 0
}
