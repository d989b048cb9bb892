/**
 * When API keys were used last. Requests only note it here; it is written back in batches, of each key at most once a
 * minute (noteUses), and for what the database did not take there is a next time.
 */

import { databaseFault } from '../../database/database-fault.js'
import type { Database } from '../../database/pool.js'
import type { Logger } from '../../logging/logger.js'
import { Housekeeping } from '../../process/periodic-loop.js'
import { noteUses } from './api-key-rows.js'

const EVERY_MS = 5_000

export interface ApiKeyUsesOptions {
  readonly database: Database
  readonly logger: Logger
}

export class ApiKeyUses {
  readonly #options: ApiKeyUsesOptions
  /** Milliseconds since 1970, by id. Holds keys that proved their holders, so there are not more than were made. */
  #uses = new Map<string, number>()
  readonly #writing: Housekeeping

  constructor(options: ApiKeyUsesOptions) {
    this.#options = options
    this.#writing = new Housekeeping({
      what: 'Recording the use of API keys',
      everyMs: EVERY_MS,
      logger: options.logger,
      turn: () => this.flush(),
    })
  }

  start(): void {
    this.#writing.start()
  }

  note(id: string): void {
    this.#uses.set(id, Date.now())
  }

  async close(): Promise<void> {
    this.#writing.stop()
    await this.flush()
  }

  async flush(): Promise<void> {
    const uses = this.#uses
    if (uses.size === 0) return
    this.#uses = new Map()
    try {
      await noteUses(this.#options.database, uses)
    } catch (error) {
      this.#uses = new Map([...uses, ...this.#uses])
      // The watch over the database reports its faults.
      if (databaseFault(error)) return
      this.#options.logger.error({ err: error }, 'When API keys were used cannot be written down.')
    }
  }
}
