/**
 * The bus on Postgres: LISTEN and NOTIFY between all processes that share a database. While no other process listens, it sends
 * nothing (cluster/cluster.ts).
 */
import { randomUUID } from 'node:crypto'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { Bus, BusStatus, Wake } from './bus.js'
import { Listener } from './listener.js'
import { Notifier } from './notifier.js'
import { parseWake } from './wake-text.js'

const LOOK_EVERY_MS = 5_000
const CROWDED =
  'The queue of NOTIFY is more than half full: wakes are left out, events arrive by the poll. Find the session that listens and idles in a transaction.'

export interface PostgresBusOptions {
  /** Must be a direct connection: a pooler in transaction mode cannot LISTEN. */
  readonly url: string
  readonly canaryEveryMs?: number
  readonly canaryDeadlineMs?: number
  readonly logger?: Logger | undefined
}

export class PostgresBus implements Bus {
  readonly kind = 'postgres'
  /** Marks the wakes of this process, which ignores them: it has woken its own tailer at COMMIT. */
  readonly #sender = randomUUID()
  readonly #notifier: Notifier
  readonly #listener: Listener
  readonly #looks: PeriodicLoop
  #onWake: (wake: Wake) => void = () => {}
  #isAlone = () => false

  constructor(options: PostgresBusOptions) {
    const { url, logger, canaryEveryMs = LOOK_EVERY_MS } = options
    this.#notifier = new Notifier({
      url,
      sender: this.#sender,
      onCrowded: (crowded, use) => {
        const percent = Math.round(use * 100)
        if (crowded) logger?.warn({ percent }, CROWDED)
        else logger?.info({ percent }, 'The queue of NOTIFY has room again.')
        // Wakes were dropped meanwhile.
        if (!crowded) this.#onWake('all')
      },
    })
    this.#looks = new PeriodicLoop({
      name: 'Checking the NOTIFY queue',
      everyMs: canaryEveryMs,
      logger,
      turn: () => this.#notifier.look(),
    })
    this.#listener = new Listener({
      ...options,
      canary: `${this.#sender}:`,
      onPayload: payload => this.#received(payload),
      onListening: () => this.#onWake('all'),
    })
  }

  get status(): BusStatus {
    return this.#listener.listening && !this.#notifier.crowded ? 'listening' : 'down'
  }

  get queueUse(): number | undefined {
    return this.#notifier.queueUse
  }

  get canaryAgeMs(): number | undefined {
    return this.#listener.canaryAgeMs
  }

  get losses(): number {
    return this.#notifier.losses + this.#listener.losses
  }

  async start(onWake: (wake: Wake) => void): Promise<void> {
    this.#onWake = onWake
    this.#listener.start()
    this.#looks.start()
  }

  wake(streams: readonly StreamId[]): void {
    if (!(this.status === 'listening' && this.#isAlone())) this.#notifier.wake(streams)
  }

  /** Sends no NOTIFY while `isAlone` returns true, because no other process listens. */
  restWhile(isAlone: () => boolean): void {
    this.#isAlone = isAlone
  }

  async close(): Promise<void> {
    this.#onWake = () => {}
    this.#looks.stop()
    await Promise.all([this.#listener.close(), this.#notifier.close()])
  }

  #received(payload: unknown): void {
    const wake = parseWake(payload)
    if (wake && wake.sender !== this.#sender && wake.streams.length > 0) this.#onWake(wake.streams)
  }
}
