/**
 * The end of a process, from the first signal on.
 *
 *  serving ── signal ──▶ announced ── after DRAIN_DELAY_MS, or at another signal ──▶ closing ── another signal ──▶ ended at once
 *
 * While it is announced, `/ready` answers 503 and everything else is served as before: a balancer learns of the end from a probe, and
 * until then its new clients meet a listener that is open. A process that does not serve yet, and one that crashes, closes at once.
 */
import type { Config } from '../src/config/config.js'
import { elapsed } from '../src/process/deadline.js'

/** Two probes of a balancer that probes every 2 s, as deploy/haproxy.cfg does, and a second for their answers. */
const PRODUCTION_DELAY_MS = 5_000

/** Milliseconds from the announcement of the end to its beginning. */
export function drainDelayOf({ DRAIN_DELAY_MS, NODE_ENV }: Config): number {
  return DRAIN_DELAY_MS ?? (NODE_ENV === 'production' ? PRODUCTION_DELAY_MS : 0)
}

export interface Announcement {
  readonly delayMs: number
  /** Makes the end known. */
  announce(inMs: number): void
}

export class StopSequence {
  readonly #close: () => void
  readonly #skipping = new AbortController()
  #announcement: Announcement | undefined
  #begun = false

  /** @param close begins the end. */
  constructor(close: () => void) {
    this.#close = close
  }

  /** The process serves: from now on its end is announced first. It may have begun to end while it started. */
  serves(announcement: Announcement): void {
    if (announcement.delayMs > 0 && !this.#begun) this.#announcement = announcement
  }

  /** The first request to end. */
  async begin(): Promise<void> {
    if (this.#begun) return
    this.#begun = true
    const { delayMs, announce } = this.#announcement ?? {}
    if (delayMs !== undefined && announce) {
      announce(delayMs)
      await elapsed(delayMs, this.#skipping.signal)
    }
    this.#announcement = undefined
    this.#close()
  }

  /** A further request. Ends the wait, if there is one. @returns whether there was one. */
  skip(): boolean {
    const isWaiting = this.#begun && this.#announcement !== undefined && !this.#skipping.signal.aborted
    if (isWaiting) this.#skipping.abort()
    return isWaiting
  }
}
