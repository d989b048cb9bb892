/**
 * How long to wait before the next attempt: from the reconnection time of the server, doubling at each failure, with jitter upward, so
 * that the clients of a server that was away do not return at the same moment.
 */
import { UnavailableError } from './errors.js'

export interface BackOffOptions {
  /** The delay after the first failure in milliseconds, until the server names another. Default 1000. */
  readonly retry?: number | undefined
  /** The longest delay in milliseconds, unless `retry` or what the server asks for is longer than two thirds of it. Default 30000. */
  readonly max?: number | undefined
}

/**
 * The delay before the next attempt in milliseconds: the client's own, or what the server has asked for, if that is longer; and up to
 * half as much again.
 * @param failures how often in a row it has failed; 0 after a connection that worked.
 */
export function delayAfter(
  failure: unknown,
  failures: number,
  { retry = 1_000, max = 30_000 }: BackOffOptions,
  longest = 300_000,
): number {
  // A server may ask for 0.
  const least = Math.max(retry, 1)
  // With the jitter, at most `max`.
  const own = Math.min(least * 2 ** Math.min(failures - 1, 30), max / 1.5)
  const asked = (failure instanceof UnavailableError && failure.retryAfterMs) || 0
  return Math.max(least, own, Math.min(asked, longest)) * (1 + Math.random() / 2)
}

/** @param header the value of `Retry-After` (RFC 9110 §10.2.3): seconds or a date. @returns milliseconds, or NaN. */
export function retryAfterMs(header: string | null): number {
  const text = header ?? ''
  return /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
}

/** Rejects with the reason when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.throwIfAborted()
    signal.onabort = () => reject(signal.reason)
  })
}

/** Resolves after `ms`, or when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
    if (signal?.aborted) done()
    function done() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
  })
}
