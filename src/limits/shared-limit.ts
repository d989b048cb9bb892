/**
 * A rate limit per key in a sliding window, shared by all processes.
 *
 * A request is decided at once, from the totals of the last exchange with the database and from what this process has counted
 * since. The counts of many keys are exchanged in one statement, up to 250 ms later; a key that has used less than a
 * hundredth of its limit is not exchanged at all. So no request waits for the database, and without it each process limits by
 * itself. Together the processes exceed the limit by at most what each of them allows between two exchanges plus a hundredth
 * of the limit (docs/decisions/0002-shared-rate-limit.md). Refused requests are not counted.
 *
 * Windows follow the clock of the database: each exchange measures the offset of this process's clock.
 */
import { LRUCache } from 'lru-cache'
import type { Logger } from '../logging/logger.js'
import { Backoff } from '../process/backoff.js'
import { BatchedWrites } from '../process/batched-writes.js'
import { type Unsent, WindowCount } from './window-count.js'

const EXCHANGE_MS = 250
const RETRY_MS = { minMs: 1_000, maxMs: 5_000 }
/** Keys in one statement. */
const BATCH = 5_000
/** A count is exchanged once this share of the limit has not been exchanged yet. */
const EXCHANGED_SHARE = 0.01

/** Adds the counts of this process to those of all processes, and returns the totals in the order of `counts`. */
export type Exchange = (
  counts: readonly ({ readonly key: string } & Unsent)[],
) => Promise<{ readonly atMs: number; readonly totals: readonly Unsent[] }>

export interface SharedLimitOptions {
  /** Requests per window; at least 1. */
  readonly max: number
  readonly windowMs: number
  /** Number of keys that are remembered; beyond it, the least recently used keys start again at 0. */
  readonly remembered: number
  /** Undefined: the limit holds per process. */
  readonly exchange?: Exchange | undefined
  readonly logger: Logger
  /** Default Date.now. */
  readonly now?: () => number
}

export interface Spending {
  readonly allowed: boolean
  /** Requests that are allowed at least until `resetMs` have passed; 0 if this one was refused. */
  readonly remaining: number
  /** Milliseconds until the next request is allowed, if this one was refused; else until the current window ends. */
  readonly resetMs: number
}

export class SharedLimit {
  readonly max: number
  readonly #options: SharedLimitOptions
  readonly #counts: LRUCache<string, WindowCount>
  readonly #due = new Map<string, WindowCount>()
  readonly #exchangedFrom: number
  readonly #exchanges: BatchedWrites<Sent[]>
  /** Milliseconds by which the clock of the database is ahead of this process's clock. */
  #ahead = 0
  #latest = 0

  constructor(options: SharedLimitOptions) {
    const { max, remembered, logger } = options
    this.max = max
    this.#options = options
    this.#counts = new LRUCache({ max: remembered })
    this.#exchangedFrom = Math.max(1, Math.floor(max * EXCHANGED_SHARE))
    this.#exchanges = new BatchedWrites({
      name: 'Sharing rate-limit counters',
      failure: 'Cannot share rate-limit counters; limiting per process until the database is back.',
      everyMs: EXCHANGE_MS,
      backoff: new Backoff(RETRY_MS),
      logger,
      levelOf: () => 'warn',
      take: () => this.#take(),
      store: sent => this.#exchange(sent),
      putBack: sent => this.#putBack(sent),
    })
  }

  /**
   * Counts one request if the limit allows it.
   * @param cost that it counts as so many; it may exceed the limit by all but one of them.
   */
  spend(key: string, cost = 1): Spending {
    const { window, elapsed } = this.#present()
    const count = this.#countOf(key, window)
    const { max } = this
    if (count.weighted(elapsed) >= max) return this.#refusal(count, elapsed)
    count.add(cost)
    if (count.unsent >= this.#exchangedFrom) this.#noteDue(key, count)
    const remaining = Math.max(0, Math.ceil(max - count.weighted(elapsed)))
    return { allowed: true, remaining, resetMs: (1 - elapsed) * this.#options.windowMs }
  }

  /** The refusal that a request would get now, if any. Counts nothing. */
  refusal(key: string): Spending | undefined {
    const { window, elapsed } = this.#present()
    const count = this.#counts.get(key)
    count?.moveTo(window)
    return count && count.weighted(elapsed) >= this.max ? this.#refusal(count, elapsed) : undefined
  }

  /** Exchanges the counts now; a timer does so every 250 ms. Never rejects. */
  exchange(): Promise<void> {
    return this.#exchanges.flush()
  }

  /** Counts that have not been exchanged by now are lost to the other processes. */
  async close(): Promise<void> {
    await this.#exchanges.abandon()
  }

  /** If the clock is set back by less than a window, time stands still here: windows never move back. */
  #present(): { window: number; elapsed: number } {
    const { now = Date.now, windowMs } = this.#options
    const at = (now() + this.#ahead) / windowMs
    if (at > this.#latest || at < this.#latest - 1) this.#latest = at
    const window = Math.floor(this.#latest)
    return { window, elapsed: this.#latest - window }
  }

  #countOf(key: string, window: number): WindowCount {
    const known = this.#counts.get(key)
    const count = known ?? new WindowCount(window)
    if (known) known.moveTo(window)
    else this.#counts.set(key, count)
    return count
  }

  #refusal(count: WindowCount, elapsed: number): Spending {
    // One millisecond more: rounding down would send the caller back too early.
    const resetMs = count.until(this.max, elapsed) * this.#options.windowMs + 1
    return { allowed: false, remaining: 0, resetMs }
  }

  #noteDue(key: string, count: WindowCount): void {
    const { exchange, remembered } = this.#options
    if (!exchange || this.#due.size >= remembered) return
    this.#due.set(key, count)
    this.#exchanges.start()
  }

  #take(): Sent[] | undefined {
    if (this.#due.size === 0) return undefined
    const batch = [...this.#due].slice(0, BATCH)
    for (const [key] of batch) this.#due.delete(key)
    return batch.map(([key, count]) => ({ key, count, window: count.window, unsent: count.take() }))
  }

  async #exchange(sent: readonly Sent[]): Promise<void> {
    const { exchange, now = Date.now, windowMs } = this.#options
    if (!exchange) return
    const { atMs, totals } = await exchange(sent.map(({ key, unsent }) => ({ key, ...unsent })))
    this.#ahead = atMs - now()
    const window = Math.floor(atMs / windowMs)
    const present = this.#present().window
    for (const [at, { count }] of sent.entries()) {
      const total = totals[at]
      if (!total) continue
      count.adopt({ window, ...total })
      count.moveTo(present)
    }
  }

  /** A failed exchange may have been stored all the same. Its counts are then counted twice, which is the safe mistake. */
  #putBack(sent: readonly Sent[]): void {
    for (const { key, count, window, unsent } of sent) {
      count.giveBack(unsent, window)
      this.#due.set(key, count)
    }
  }
}

/** The part of one count that was taken for an exchange. */
interface Sent {
  readonly key: string
  readonly count: WindowCount
  readonly window: number
  readonly unsent: Unsent
}
