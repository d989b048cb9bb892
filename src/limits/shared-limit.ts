/**
 * How often each key may do something in a sliding window, all processes together.
 *
 * Who asks is answered at once, from what all processes had counted at the last exchange and what this one has counted
 * since. Keys that have counted something are exchanged with the others soon after, many in one statement; a key that
 * has counted less than a hundredth of its limit is not worth telling. So nobody waits for the database, without it each
 * process counts by itself, and together they let through at most, beyond the limit, what each lets through between two
 * exchanges and a hundredth of it (docs/decisions/0002-shared-rate-limit.md). What is refused is not counted.
 *
 * The windows are those of the database's clock: each exchange tells how far this process's clock is from it.
 */
import { LRUCache } from 'lru-cache'
import type { Logger } from '../logging/logger.js'
import { type Unsent, WindowCount } from './window-count.js'

const EXCHANGE_MS = 250
const RETRY_MS = 1_000
/** Keys in one statement. */
const BATCH = 5_000
/** A count is told when this part of the limit has not been told yet. */
const TOLD_PART = 0.01

/** Tells the others and asks them. The totals come in the order of `counts`. */
export type Exchange = (
  counts: readonly ({ readonly key: string } & Unsent)[],
) => Promise<{ readonly atMs: number; readonly totals: readonly Unsent[] }>

export interface SharedLimitOptions {
  /** How often in a window; at least 1. */
  readonly max: number
  readonly windowMs: number
  /** Keys that are remembered; of more, those that were not seen for longest begin anew. */
  readonly remembered: number
  /** Undefined: this process counts alone. */
  readonly exchange?: Exchange | undefined
  readonly logger: Logger
  /** Default Date.now. */
  readonly now?: () => number
}

export interface Spending {
  readonly allowed: boolean
  /** How often it may be done at least until `resetMs` are over; 0 when it was refused. */
  readonly remaining: number
  /** When it was refused: until it may be done again. Else until the present window ends. */
  readonly resetMs: number
}

export class SharedLimit {
  readonly max: number
  readonly #options: SharedLimitOptions
  readonly #counts: LRUCache<string, WindowCount>
  readonly #due = new Map<string, WindowCount>()
  readonly #toldFrom: number
  /** The database's clock is so many milliseconds ahead of this process's. */
  #ahead = 0
  #latest = 0
  #timer: NodeJS.Timeout | undefined
  #exchanging: Promise<void> | undefined
  #failing = false
  #closed = false

  constructor(options: SharedLimitOptions) {
    this.max = options.max
    this.#options = options
    this.#counts = new LRUCache({ max: options.remembered })
    this.#toldFrom = Math.max(1, Math.floor(options.max * TOLD_PART))
  }

  /** Counts one, if there is room for it. */
  spend(key: string): Spending {
    const { window, elapsed } = this.#present()
    const count = this.#countOf(key, window)
    const { max } = this
    if (count.weighted(elapsed) >= max) return this.#refusal(count, elapsed)
    count.add()
    if (count.unsent >= this.#toldFrom) this.#tellOf(key, count)
    const remaining = Math.max(0, Math.ceil(max - count.weighted(elapsed)))
    return { allowed: true, remaining, resetMs: (1 - elapsed) * this.#options.windowMs }
  }

  /** Why nothing may be done now, if so; counts nothing. */
  refusal(key: string): Spending | undefined {
    const { window, elapsed } = this.#present()
    const count = this.#counts.get(key)
    count?.moveTo(window)
    return count && count.weighted(elapsed) >= this.max ? this.#refusal(count, elapsed) : undefined
  }

  /** Exchanges what is to be told, by itself a moment after something was counted. Never throws. */
  exchange(): Promise<void> {
    this.#exchanging ??= this.#exchangeOnce().finally(() => {
      this.#exchanging = undefined
      this.#schedule()
    })
    return this.#exchanging
  }

  /** What has not been told by now is not told any more. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#exchanging
  }

  /** A clock that is set back by less than a window stands still instead: what has moved on cannot move back. */
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
    // A millisecond more, or rounding would let somebody come back in vain.
    const resetMs = count.until(this.max, elapsed) * this.#options.windowMs + 1
    return { allowed: false, remaining: 0, resetMs }
  }

  #tellOf(key: string, count: WindowCount): void {
    const { exchange, remembered } = this.#options
    if (!exchange || this.#due.size >= remembered) return
    this.#due.set(key, count)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#closed || this.#exchanging || this.#timer || this.#due.size === 0) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        void this.exchange()
      },
      this.#failing ? RETRY_MS : EXCHANGE_MS,
    ).unref()
  }

  async #exchangeOnce(): Promise<void> {
    const { exchange, logger, now = Date.now, windowMs } = this.#options
    if (!exchange || this.#due.size === 0) return
    const batch = [...this.#due].slice(0, BATCH)
    const sent = batch.map(([key, count]) => ({ key, window: count.window, ...count.take() }))
    for (const { key } of sent) this.#due.delete(key)
    try {
      const { atMs, totals } = await exchange(sent)
      this.#ahead = atMs - now()
      const window = Math.floor(atMs / windowMs)
      const present = this.#present().window
      for (const [at, [, count]] of batch.entries()) {
        const total = totals[at]
        if (!total) continue
        count.adopt({ window, ...total })
        count.moveTo(present)
      }
      this.#failing = false
    } catch (error) {
      if (!this.#failing) logger.warn({ err: error }, 'Requests cannot be counted together; counting here.')
      this.#failing = true
      // What was sent may have arrived all the same: then it counts twice, which is the safe mistake.
      for (const [at, [key, count]] of batch.entries()) {
        const { window = count.window, ...unsent } = sent[at] ?? { current: 0, previous: 0 }
        count.giveBack(unsent, window)
        this.#due.set(key, count)
      }
    }
  }
}
