/**
 * The poll of the log, without which a lost wake would lose its events: every 5 s while wakes arrive, every 500 ms while they
 * may be missing.
 */
import type { Bus } from '../bus/bus.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'

const POLL_MS = 500
/** The log is polled in one of this many turns. While the bus listens, polling is only a safety net. */
const POLLED_EACH = { listening: 10, down: 1, off: 1 } as const

export interface LogPollOptions {
  readonly bus: Pick<Bus, 'status'>
  readonly logger: Logger
  poll(): void
}

export class LogPoll {
  readonly #options: LogPollOptions
  readonly #turns: PeriodicLoop
  #turn = 0
  #mayMissWakes = () => false

  constructor(options: LogPollOptions) {
    this.#options = options
    this.#turns = new PeriodicLoop({
      name: 'Polling the log',
      everyMs: POLL_MS,
      logger: options.logger,
      turn: () => this.#pollNowAndThen(),
    })
  }

  start(): void {
    this.#turns.start()
  }

  stop(): void {
    this.#turns.stop()
  }

  /** Polls as often as without a bus while `mayMissWakes` returns true, because other processes may send this one no wakes. */
  hurryWhile(mayMissWakes: () => boolean): void {
    this.#mayMissWakes = mayMissWakes
  }

  #pollNowAndThen(): void {
    this.#turn += 1
    const each = this.#mayMissWakes() ? 1 : POLLED_EACH[this.#options.bus.status]
    if (this.#turn % each === 0) this.#options.poll()
  }
}
