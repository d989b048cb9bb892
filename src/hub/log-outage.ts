/** The time during which the log cannot be read. It is logged once, when it begins. */
import { levelOf } from '../database/database-fault.js'
import type { Logger } from '../logging/logger.js'

export class LogOutage {
  readonly #logger: Logger
  #since: number | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** When reads began to fail, in ms since 1970; undefined while they succeed. */
  get since(): number | undefined {
    return this.#since
  }

  failed(error: unknown): void {
    if (this.#since === undefined)
      this.#logger[levelOf(error)]({ err: error }, 'The log cannot be read; trying again until it can.')
    this.#since ??= Date.now()
  }

  end(): void {
    this.#since = undefined
  }
}
