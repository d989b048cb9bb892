/** Delays before the next attempts: they grow with each failure, and are jittered, because many pages come back at the same time. */
const FIRST_MS = 1_000
const LONGEST_MS = 30_000
/** The delay before a connection that has worked is opened again. */
const AGAIN_MS = { least: 1_000, spread: 2_000 }

export class Backoff {
  #failures = 0

  /** Milliseconds until the next attempt. @param retryAfter the seconds that the gateway asks for, at least. */
  next(retryAfter = 0): number {
    const delay = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures)
    this.#failures += 1
    return Math.max(delay * (0.5 + Math.random() / 2), 1_000 * retryAfter)
  }

  reset(): void {
    this.#failures = 0
  }

  /** Milliseconds until an orderly end is followed by the next connection. */
  static again(): number {
    return AGAIN_MS.least + AGAIN_MS.spread * Math.random()
  }
}
