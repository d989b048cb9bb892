/**
 * Counts what each workspace has stored, again and again, in one process of the cluster at a time:
 *
 *   waiting ── nobody else has counted for a minute ──▶ counting ── a pass over all streams ──▶ pausing ──▶ counting
 *
 * A pass reads the log after its appends, which do nothing for it (migrations/0061_usage.sql). It keeps the database busy for
 * at most a twentieth of the time, so it takes longer the more there is to count; a pass over streams that have not grown costs
 * two probes of an index for each.
 */
import { randomUUID } from 'node:crypto'
import { databaseClockAhead } from '../database/database-clock.js'
import { levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { Logger } from '../logging/logger.js'
import { elapsed } from '../process/deadline.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import { countPart, storeUsage, takeCount } from './usage-rows.js'
import { UsageTotals } from './usage-totals.js'

/** Between two passes, and between two tries to become the process that counts. */
const EVERY_MS = 10_000
const STREAMS_PER_CALL = 1_000
/** About 20 ms of the database's time. */
const EVENTS_PER_CALL = 50_000
/** A pause is so many times as long as the call before it. */
const PAUSES = 19
const LONGEST_PAUSE_MS = 5_000

export interface UsageCountOptions {
  readonly database: Database
  readonly logger: Logger
}

export class UsageCount {
  readonly #options: UsageCountOptions
  /** Of this process, while it counts. */
  readonly #id = randomUUID()
  readonly #closing = new AbortController()
  readonly #loop: PeriodicLoop

  constructor(options: UsageCountOptions) {
    this.#options = options
    this.#loop = new PeriodicLoop({
      name: 'Counting the usage of workspaces',
      everyMs: EVERY_MS,
      jitter: 0.3,
      logger: options.logger,
      levelOf,
      turn: () => this.count(),
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Counts all streams once, if no other process does. */
  async count(): Promise<void> {
    const { database } = this.#options
    const { signal } = this.#closing
    if (!(await takeCount(database, this.#id))) return
    const begunAt = Date.now()
    const countedAt = new Date(begunAt + (await databaseClockAhead(database)))
    const totals = new UsageTotals()
    let after: number | null = 0
    while (after !== null) {
      const startedAt = performance.now()
      const part = await countPart(database, after, STREAMS_PER_CALL, EVENTS_PER_CALL)
      if (part.complete) {
        totals.add(part.totals)
        after = part.upTo
      }
      const pauseMs = Math.min(LONGEST_PAUSE_MS, PAUSES * (performance.now() - startedAt))
      if (after !== null && !(await elapsed(pauseMs, signal, { ref: false }))) return
      if (after !== null && !(await takeCount(database, this.#id))) return
    }
    await storeUsage(database, totals.toText(), countedAt)
  }

  /** Closing twice is fine. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#loop.close()
  }
}
