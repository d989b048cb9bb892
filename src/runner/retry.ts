/** Asking again until the gateway has answered: it may be restarting, overloaded, or behind a broken network. */
import { setTimeout as pause } from 'node:timers/promises'
import { GatewayAway, Refusal } from './gateway.js'

/** The first pause; each further one is twice as long, up to the longest. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** What a Retry-After may ask for at most. */
const LONGEST_RETRY_AFTER_MS = 60_000

export interface RetryOptions {
  /** Ends the asking: the promise rejects with the reason of the signal. */
  readonly signal: AbortSignal
  /** Before each pause, with why there is one. */
  onRetry?(error: unknown): void
}

/**
 * Calls `ask` until it resolves, or rejects with what asking again cannot mend. For ever, if need be.
 * @throws what `ask` rejected with, or the reason of the signal.
 */
export async function untilAnswered<T>(ask: () => Promise<T>, { signal, onRetry }: RetryOptions): Promise<T> {
  for (let longest = FIRST_PAUSE_MS; ; longest = Math.min(longest * 2, LONGEST_PAUSE_MS)) {
    signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      if (!isPassing(error)) throw error
      onRetry?.(error)
      // Spread out, so that runners which lost the same gateway do not come back as one.
      await pause(Math.max(longest * (0.5 + Math.random() / 2), retryAfterMs(error)), undefined, {
        signal,
      }).catch(() => signal.throwIfAborted())
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
