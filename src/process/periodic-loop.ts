/**
 * Work that a process repeats for as long as it lives. Turns never overlap: the pause begins when a turn has ended. A turn that
 * throws does not end the process, as it would in a bare timer: the system may be out of file descriptors or memory for a
 * while. The log reports the first failure in a row and the next success.
 */
import type { Logger } from '../logging/logger.js'
import { type Backoff, jittered } from './backoff.js'
import { shortageIn } from './shortage.js'

export interface PeriodicLoopOptions {
  /** For the log, such as `Checking memory`. */
  readonly name: string
  /** Milliseconds between two turns. */
  readonly everyMs: number
  /** Milliseconds before the first turn. Default `everyMs`. */
  readonly firstMs?: number
  /** Share of each of these pauses that is random, 0 to 1, so that processes started together spread out. Default 0. */
  readonly jitter?: number
  /** The pauses after failed turns. Default `everyMs`. */
  readonly backoff?: Backoff
  /** Without a logger nothing is reported. */
  readonly logger?: Logger | undefined
  /** The log line for the first failure in a row. Default `<name> failed; retrying until it succeeds.` */
  readonly failure?: string
  /**
   * Log level of a failure; undefined leaves it to somebody else to report. Default `warn` for a shortage, which the operator
   * has to end, and `error` for everything else.
   */
  levelOf?(error: unknown): 'warn' | 'error' | undefined
  /** One turn. */
  turn(): unknown
}

export class PeriodicLoop {
  readonly #options: PeriodicLoopOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #started = false
  #failing = false
  #reported = false

  constructor(options: PeriodicLoopOptions) {
    this.#options = options
  }

  /** Starts the turns. Does not keep the process alive. Starting twice is fine. */
  start(): this {
    const { firstMs, everyMs } = this.#options
    if (!this.#started) {
      this.#started = true
      this.#schedule(this.#jittered(firstMs ?? everyMs))
    }
    return this
  }

  /** Starts no further turn; a running one goes on. */
  stop(): void {
    this.#started = false
    clearTimeout(this.#timer)
  }

  /** Stops, and waits for the running turn. Closing twice is fine. */
  async close(): Promise<void> {
    this.stop()
    await this.#running
  }

  /** One turn now; joins the running turn if there is one. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#turn().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#runAndSchedule(), ms).unref()
  }

  async #runAndSchedule(): Promise<void> {
    await this.run()
    const { backoff, everyMs } = this.#options
    if (this.#started) this.#schedule(this.#failing && backoff ? backoff.next() : this.#jittered(everyMs))
  }

  #jittered(ms: number): number {
    return jittered(ms, this.#options.jitter ?? 0)
  }

  async #turn(): Promise<void> {
    const { name, logger, backoff, turn } = this.#options
    try {
      await turn()
      if (this.#reported) logger?.info({}, `${name} works again.`)
      this.#failing = this.#reported = false
      backoff?.reset()
    } catch (error) {
      this.#failing = true
      this.#report(error)
    }
  }

  #report(err: unknown): void {
    const { name, failure = `${name} failed; retrying until it succeeds.`, logger } = this.#options
    const level = this.#options.levelOf ? this.#options.levelOf(err) : defaultLevelOf(err)
    if (level === undefined || this.#reported) return
    logger?.[level]({ err }, failure)
    this.#reported = true
  }
}

function defaultLevelOf(error: unknown): 'warn' | 'error' {
  return shortageIn(error) ? 'warn' : 'error'
}
