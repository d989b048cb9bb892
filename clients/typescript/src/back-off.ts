/**
 * How long to wait before the next attempt: from the reconnection time of the server, doubling at each failure, with jitter upward, so
 * that the clients of a server that was away do not return at the same moment.
 */

export interface BackOffOptions {
  /** The delay after the first failure in milliseconds, until the server names another. Default 1000. */
  readonly retry?: number | undefined
  /** The longest delay in milliseconds, unless the server asks for a longer one. Default 30000. */
  readonly max?: number | undefined
}

/** @param failures how often in a row it has failed; 0 after a connection that worked. @returns milliseconds. */
export function backOff(failures: number, retry: number, max: number): number {
  const delay = retry * 2 ** Math.min(Math.max(failures - 1, 0), 30)
  return Math.min(delay * (1 + Math.random() / 2), Math.max(max, retry))
}

/** @param header the value of `Retry-After` (RFC 9110 §10.2.3): seconds or a date. @returns milliseconds, or undefined. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0)
}
