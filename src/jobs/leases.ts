/**
 * Takes jobs from runners that have gone silent: each second, in every process, from its start to its close. Expired
 * leases are taken one a transaction, and no two processes take the same one (sluice.expire_lease).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { databaseFault } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { expireLease } from './rows.js'

const EVERY_MS = 1_000
/** After a failure, which is about to be the same a second later. */
const RETRY_MS = 10_000

export interface LeasesOptions {
  readonly database: Database
  readonly logger: Logger
  /** Whether to leave all as it is for now, as in maintenance: runners could not report either. */
  paused(): boolean
  /** Called after each COMMIT with the streams that have grown. Must not throw. */
  onCommitted(streams: readonly StreamId[]): void
}

export class Leases {
  readonly #options: LeasesOptions
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: LeasesOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#untilClosed()
  }

  /** Ends after the job that is being taken, if any. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /** @returns how many jobs were taken. */
  async sweep(): Promise<number> {
    const { database, onCommitted } = this.#options
    for (let taken = 0; ; taken += 1) {
      const changed = this.#closing.signal.aborted ? undefined : await expireLease(database)
      if (changed === undefined) return taken
      onCommitted(changed.streams)
    }
  }

  async #untilClosed(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await pause(await this.#turn(), undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** @returns the milliseconds after which to do it again. */
  async #turn(): Promise<number> {
    const { logger, paused } = this.#options
    if (paused()) return EVERY_MS
    try {
      const taken = await this.sweep()
      if (taken > 0) logger.info({ taken }, 'Took jobs from runners whose leases had expired.')
      return EVERY_MS
    } catch (error) {
      // The tailer and the watch over the database report its faults, and this must not go on longer than they last.
      if (databaseFault(error)) return EVERY_MS
      logger.error({ err: error }, 'Expired leases could not be taken back; trying again in 10 seconds.')
      return RETRY_MS
    }
  }
}
