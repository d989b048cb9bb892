/**
 * How long to wait before the next attempt: from the reconnection time of the server, doubling at each failure, with jitter upward, so
 * that the clients of a server that was away do not return at the same moment.
 */
import { UnavailableError } from './errors.js'

export interface BackOffOptions {
  /** The delay after the first failure in milliseconds, until the server names another. Default 1000. */
  readonly retry?: number | undefined
  /** The longest delay in milliseconds, unless the server asks for a longer one. Default 30000. */
  readonly max?: number | undefined
}

/** @param failures how often in a row it has failed; 0 after a connection that worked. @returns milliseconds. */
export function backOff(failures: number, retry = 1_000, max = 30_000): number {
  // A server may ask for 0.
  const delay = Math.max(retry, 1) * 2 ** Math.min(Math.max(failures - 1, 0), 30)
  return Math.min(delay * (1 + Math.random() / 2), Math.max(max, retry))
}

/** @param header the value of `Retry-After` (RFC 9110 §10.2.3): seconds or a date. @returns milliseconds, or NaN. */
export function retryAfterMs(header: string | null): number {
  const text = header ?? ''
  return /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
}

/** The delay before the next attempt: what the server has asked for, if that is longer than the client's own. */
export function delayAfter(error: unknown, own: number, longest = 300_000): number {
  const asked = error instanceof UnavailableError ? error.retryAfterMs : undefined
  return Math.max(own, Math.min(asked ?? 0, longest))
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
