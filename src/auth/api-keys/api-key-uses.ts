/**
 * Records when API keys were last used. Requests only note the time in memory; batches write it to the database, at most once
 * a minute for each key (noteUses). If a batch fails, the next one includes its times.
 */

import { levelOfOtherFault } from '../../database/database-fault.js'
import type { Database } from '../../database/pool.js'
import type { Logger } from '../../logging/logger.js'
import { BatchedWrites } from '../../process/batched-writes.js'
import { noteUses } from './api-key-rows.js'

const EVERY_MS = 5_000

export interface ApiKeyUsesOptions {
  readonly database: Database
  readonly logger: Logger
}

export class ApiKeyUses {
  /** Milliseconds since 1970, by key id. Only verified keys get here, so the map is no larger than the number of keys. */
  #uses = new Map<string, number>()
  readonly #writes: BatchedWrites<Map<string, number>>

  constructor({ database, logger }: ApiKeyUsesOptions) {
    this.#writes = new BatchedWrites({
      name: 'Recording API key last-used times',
      failure: 'Failed to record API key last-used times.',
      everyMs: EVERY_MS,
      logger,
      levelOf: levelOfOtherFault,
      take: () => this.#take(),
      store: uses => noteUses(database, uses),
      putBack: uses => {
        this.#uses = new Map([...uses, ...this.#uses])
      },
    })
  }

  start(): void {
    this.#writes.start()
  }

  note(id: string): void {
    this.#uses.set(id, Date.now())
  }

  async close(): Promise<void> {
    await this.#writes.close()
  }

  #take(): Map<string, number> | undefined {
    if (this.#uses.size === 0) return undefined
    const uses = this.#uses
    this.#uses = new Map()
    return uses
  }
}
