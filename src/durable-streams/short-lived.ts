/**
 * Keeps streams with a short TTL while clients follow them. The loop that deletes expired streams (expiry.ts) runs too seldom to note
 * their use, so this process notes it several times in each TTL. While the database is away, nothing can be noted: a stream may have
 * expired when the database returns.
 */
import { levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { DurableStream } from './durable-stream.js'
import { touchFollowed } from './expiry.js'

/** Seconds. The loop notes the use of streams that live longer. */
const SHORT = 60
const TURN_MS = 200
/**
 * The share of the TTL after which a use is noted again. A stream lives for 1.1 of its TTL after a use, and a use
 * within a tenth of the TTL is not written.
 */
const SHARE = 0.3

export interface ShortLivedOptions {
  readonly database: Database
  readonly logger: Logger
}

interface Followed {
  readonly everyMs: number
  followers: number
  dueAt: number
}

export class ShortLived {
  readonly #options: ShortLivedOptions
  readonly #followed = new Map<StreamId, Followed>()
  readonly #loop: PeriodicLoop

  constructor(options: ShortLivedOptions) {
    this.#options = options
    this.#loop = new PeriodicLoop({
      name: 'Keeping the followed streams with a short TTL',
      everyMs: TURN_MS,
      logger: options.logger,
      levelOf,
      turn: () => this.#touchDue(),
    })
  }

  /** @returns a function that ends it; calling it twice is fine. */
  keep({ streamId, ttl }: Pick<DurableStream, 'streamId' | 'ttl'>): () => void {
    const seconds = Number(ttl ?? SHORT)
    if (seconds >= SHORT) return () => {}
    const everyMs = seconds * SHARE * 1_000
    const followed = this.#followed.get(streamId) ?? {
      everyMs,
      followers: 0,
      dueAt: performance.now() + everyMs,
    }
    followed.followers += 1
    this.#followed.set(streamId, followed)
    this.#loop.start()
    let kept = true
    return () => {
      if (!kept) return
      kept = false
      followed.followers -= 1
      if (followed.followers === 0) this.#followed.delete(streamId)
      if (this.#followed.size === 0) this.#loop.stop()
    }
  }

  /** Closing twice is fine. */
  async close(): Promise<void> {
    this.#followed.clear()
    await this.#loop.close()
  }

  async #touchDue(): Promise<void> {
    const now = performance.now()
    const due = [...this.#followed].filter(([, { dueAt }]) => dueAt <= now)
    if (due.length === 0) return
    await touchFollowed(
      this.#options.database,
      due.map(([id]) => id),
    )
    for (const [, followed] of due) followed.dueAt = now + followed.everyMs
  }
}
