/**
 * Work that a process does again and again for as long as it lives. A turn that throws never ends the process, as it would in
 * a bare timer: the system may be out of file descriptors or memory for a while. The first failure is reported, those that
 * follow it are not, and the next turn that succeeds is.
 */
import type { Logger } from '../logging/logger.js'
import { shortageIn } from './shortage.js'

export interface HousekeepingOptions {
  /** For the log, such as `Checking memory`. */
  readonly what: string
  readonly everyMs: number
  /** Without one nothing is reported. */
  readonly logger?: Logger | undefined
  /** One turn. A turn that takes longer than `everyMs` does not delay the next one. */
  turn(): unknown
}

export class Housekeeping {
  readonly #options: HousekeepingOptions
  #timer: NodeJS.Timeout | undefined
  #failing = false

  constructor(options: HousekeepingOptions) {
    this.#options = options
  }

  /** The first turn comes after `everyMs`. It keeps no process alive. Starting twice is fine. */
  start(): this {
    this.#timer ??= setInterval(() => void this.run(), this.#options.everyMs).unref()
    return this
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** One turn now. Never rejects. */
  async run(): Promise<void> {
    const { what, logger, turn } = this.#options
    try {
      await turn()
      if (this.#failing) logger?.info({}, `${what} works again.`)
      this.#failing = false
    } catch (error) {
      // A shortage is the operator's to mend, anything else is ours.
      const level = shortageIn(error) ? 'warn' : 'error'
      if (!this.#failing) logger?.[level]({ err: error }, `${what} failed; it is tried again until it works.`)
      this.#failing = true
    }
  }
}
