/** The data that the event loop and the thread that watches it share. */

/** The places of numbers in the shared memory. */
export const PLACES = {
  /** Raised by each turn of the event loop's timer. */
  beats: 0,
  /** 1 while a debugger may stop the event loop. */
  debugged: 1,
  blocks: 2,
  blockedMs: 3,
  count: 4,
} as const

export interface WatchdogData {
  readonly shared: Int32Array
  readonly tickMs: number
  readonly blockMs: number
  readonly killMs: number
  readonly writes: boolean
}

/** A block of the event loop that the watcher has found. */
export type Finding =
  | { readonly found: 'blocked' | 'ended'; readonly ms: number }
  /** Blocked for so long that the process has to be replaced. Found once. */
  | { readonly found: 'stuck'; readonly ms: number }

/**
 * Judges, once a tick, whether the event loop turns. Silence counts in ticks of the watcher, not by the clock: a process that was stopped
 * (SIGSTOP, a laptop that sleeps, a machine that is paused) stops its watcher too, whose tick then lasts long, and counts as one.
 */
export class SilenceJudge {
  readonly #data: Pick<WatchdogData, 'tickMs' | 'blockMs' | 'killMs'>
  #beats = 0
  #silentMs = 0
  #tickedAt: number | undefined
  #stuck = false

  constructor(data: Pick<WatchdogData, 'tickMs' | 'blockMs' | 'killMs'>) {
    this.#data = data
  }

  /** @param now milliseconds of a monotonic clock. */
  tick(beats: number, now: number): Finding | undefined {
    const { tickMs, blockMs, killMs } = this.#data
    const elapsed = Math.min(now - (this.#tickedAt ?? now), 2 * tickMs)
    this.#tickedAt = now
    const before = this.#silentMs
    if (beats !== this.#beats) {
      this.#beats = beats
      this.#silentMs = 0
      this.#stuck = false
      return before >= blockMs ? { found: 'ended', ms: before } : undefined
    }
    this.#silentMs += elapsed
    const ms = this.#silentMs
    if (before < blockMs && ms >= blockMs) return { found: 'blocked', ms }
    if (killMs === 0 || ms < killMs || this.#stuck) return undefined
    this.#stuck = true
    return { found: 'stuck', ms }
  }
}
