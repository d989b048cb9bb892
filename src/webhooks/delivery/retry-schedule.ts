/**
 * When a failed delivery is tried again. Ten pauses after the first attempt, from seconds to a day, each spread by 20 % so that
 * endpoints which failed together do not return together. A receiver may ask for a longer pause (Retry-After, RFC 9110, section
 * 10.2.3), but for no longer one than the schedule's longest, so that no answer ends deliveries for good.
 */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** In milliseconds. */
export const PAUSES_MS: readonly number[] = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  24 * HOUR,
]
const SPREAD = 0.2

export interface RetryScheduleOptions {
  /** In milliseconds. Default PAUSES_MS. */
  readonly pausesMs?: readonly number[] | undefined
  /** Default Math.random. */
  readonly random?: (() => number) | undefined
}

export class RetrySchedule {
  readonly #pausesMs: readonly number[]
  readonly #random: () => number

  constructor({ pausesMs = PAUSES_MS, random = Math.random }: RetryScheduleOptions = {}) {
    this.#pausesMs = pausesMs
    this.#random = random
  }

  /**
   * The pause before the next attempt, in milliseconds.
   * @param attempts that have failed, at least 1.
   * @param retryAfterMs the pause that the receiver has asked for.
   * @returns undefined if that was the last attempt.
   */
  pauseAfter(attempts: number, retryAfterMs = 0): number | undefined {
    const pauseMs = this.#pausesMs[attempts - 1]
    if (pauseMs === undefined) return undefined
    const spread = pauseMs * (1 - SPREAD + 2 * SPREAD * this.#random())
    return Math.round(Math.max(spread, this.capped(retryAfterMs)))
  }

  /** The pause that a receiver has asked for, as far as it counts. */
  capped(retryAfterMs: number): number {
    return Math.min(retryAfterMs, Math.max(0, ...this.#pausesMs))
  }
}
