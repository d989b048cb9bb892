/**
 * Takes jobs away from runners that have gone silent, and ends jobs that no runner claims: every second, in every process. Jobs are
 * taken one per transaction, and no two processes take the same one (sluice.expire_lease, sluice.expire_queued).
 */
import { levelOfOtherFault } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import { expireLease, expireQueued } from './end-rows.js'
import type { Changed } from './rows.js'

const EVERY_MS = 1_000

export interface LeasesOptions {
  readonly database: Database
  readonly logger: Logger
  /** Seconds that a job waits in its queue, at most; 0: any time. */
  readonly maxQueueAge: number
  /** Whether to leave expired leases alone for now, as in maintenance, when runners cannot report either. */
  paused(): boolean
  /** Called after each COMMIT with the streams that have grown. Must not throw. */
  onCommitted(streams: readonly StreamId[]): void
}

export class Leases {
  /** Jobs that this process has taken from silent runners. */
  lost = 0
  readonly #options: LeasesOptions
  readonly #sweeps: PeriodicLoop
  #closed = false

  constructor(options: LeasesOptions) {
    this.#options = options
    this.#sweeps = new PeriodicLoop({
      name: 'Taking back expired leases',
      firstMs: 0,
      everyMs: EVERY_MS,
      logger: options.logger,
      levelOf: levelOfOtherFault,
      turn: () => this.#turn(),
    })
  }

  start(): void {
    this.#sweeps.start()
  }

  /** Ends after the job that is being taken, if any. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#sweeps.close()
  }

  /** @returns the number of jobs taken from runners. */
  sweep(): Promise<number> {
    return this.#takeAll(() => expireLease(this.#options.database))
  }

  /** @returns the number of jobs that have waited for too long. */
  async sweepQueues(): Promise<number> {
    const { database, maxQueueAge } = this.#options
    return maxQueueAge === 0 ? 0 : await this.#takeAll(() => expireQueued(database, maxQueueAge))
  }

  async #takeAll(takeOne: () => Promise<Changed | undefined>): Promise<number> {
    const { onCommitted } = this.#options
    for (let taken = 0; ; taken += 1) {
      const changed = this.#closed ? undefined : await takeOne()
      if (changed === undefined) return taken
      onCommitted(changed.streams)
    }
  }

  async #turn(): Promise<void> {
    const { logger, paused } = this.#options
    if (paused()) return
    const taken = await this.sweep()
    this.lost += taken
    if (taken > 0) logger.info({ taken }, 'Took jobs from runners whose leases had expired.')
    const expired = await this.sweepQueues()
    if (expired > 0) logger.info({ expired }, 'Ended jobs that no runner had claimed in time.')
  }
}
