/** The bus on Postgres: LISTEN/NOTIFY between all processes that share the database. */
import { randomUUID } from 'node:crypto'
import type { StreamId } from '../events/event.js'
import type { Bus, BusStatus, Wake } from './bus.js'
import { Listener } from './listener.js'
import { Notifier } from './notifier.js'
import { parseWake } from './wake-text.js'

export interface PostgresBusOptions {
  /** A direct connection: a pooler in transaction mode cannot LISTEN. */
  readonly url: string
  readonly canaryEveryMs?: number
  readonly canaryDeadlineMs?: number
}

export class PostgresBus implements Bus {
  /** A process does not listen to itself: it woke its own tailer at COMMIT. */
  readonly #sender = randomUUID()
  readonly #notifier: Notifier
  readonly #listener: Listener
  #onWake: (wake: Wake) => void = () => {}

  constructor(options: PostgresBusOptions) {
    this.#notifier = new Notifier(options.url, this.#sender)
    this.#listener = new Listener({
      ...options,
      canary: `${this.#sender}:`,
      onPayload: payload => this.#received(payload),
      onListening: () => this.#onWake('all'),
    })
  }

  get status(): BusStatus {
    return this.#listener.listening ? 'listening' : 'down'
  }

  async start(onWake: (wake: Wake) => void): Promise<void> {
    this.#onWake = onWake
    this.#listener.start()
  }

  wake(streams: readonly StreamId[]): void {
    this.#notifier.wake(streams)
  }

  async close(): Promise<void> {
    this.#onWake = () => {}
    await Promise.all([this.#listener.close(), this.#notifier.close()])
  }

  #received(payload: unknown): void {
    const wake = parseWake(payload)
    if (wake && wake.sender !== this.#sender && wake.streams.length > 0) this.#onWake(wake.streams)
  }
}
