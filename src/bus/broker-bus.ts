/**
 * The bus on a message broker: NATS or Redis. The first wake is sent at once; those that follow while the broker takes it are sent
 * together. While the broker is away wakes are dropped, because the polls of the other processes find the events.
 *
 * What waits is bounded: more than 10,000 streams become one wake of all streams.
 */
import { randomUUID } from 'node:crypto'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import type { Broker } from './broker.js'
import { BrokerSession } from './broker-session.js'
import type { Bus, BusStatus, Wake } from './bus.js'
import { formatWakeOfAll, formatWakes, parseWake } from './wake-text.js'

const MAX_WAITING_STREAMS = 10_000

export interface BrokerBusOptions {
  readonly broker: Broker
  readonly canaryEveryMs?: number | undefined
  readonly canaryDeadlineMs?: number | undefined
  readonly logger?: Logger | undefined
  /** The channel on which the processes of this database, and no others, meet. */
  channel(): Promise<string>
}

export class BrokerBus implements Bus {
  readonly kind: Broker['kind']
  /** Marks the messages of this process: it has woken its own tailer at COMMIT. */
  readonly #sender = randomUUID()
  readonly #session: BrokerSession
  readonly #waiting = new Set<StreamId>()
  #allWait = false
  #busy = false
  #running: Promise<void> | undefined
  #closed = false
  #onWake: (wake: Wake) => void = () => {}
  #isAlone = () => false

  constructor(options: BrokerBusOptions) {
    this.kind = options.broker.kind
    const canary = Buffer.from(`${this.#sender}:`)
    this.#session = new BrokerSession({
      ...options,
      canary: () => canary,
      onMessage: bytes => this.#received(bytes),
      onUp: () => this.#onWake('all'),
    })
  }

  get status(): BusStatus {
    return this.#session.isUp ? 'listening' : 'down'
  }

  get canaryAgeMs(): number | undefined {
    return this.#session.canaryAgeMs
  }

  async start(onWake: (wake: Wake) => void): Promise<void> {
    if (this.#closed) return
    this.#onWake = onWake
    this.#session.start()
  }

  wake(streams: readonly StreamId[]): void {
    if (this.#closed || !this.#session.isUp || this.#isAlone()) return
    for (const stream of streams) this.#waiting.add(stream)
    if (this.#waiting.size > MAX_WAITING_STREAMS) {
      this.#waiting.clear()
      this.#allWait = true
    }
    if (!this.#busy) this.#running = this.#run()
  }

  restWhile(isAlone: () => boolean): void {
    this.#isAlone = isAlone
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#onWake = () => {}
    await this.#running
    await this.#session.close()
  }

  async #run(): Promise<void> {
    this.#busy = true
    while ((this.#waiting.size > 0 || this.#allWait) && this.#session.isUp) {
      const texts = this.#allWait ? [formatWakeOfAll(this.#sender)] : formatWakes(this.#sender, this.#waiting)
      this.#forget()
      await this.#session.send(texts.map(text => Buffer.from(text)))
    }
    this.#forget()
    this.#busy = false
  }

  #forget(): void {
    this.#waiting.clear()
    this.#allWait = false
  }

  #received(bytes: Uint8Array): void {
    const wake = parseWake(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
    if (!wake) return
    const { sender, streams } = wake
    if (sender === this.#sender) {
      if (streams.length === 0) this.#session.canaryCame()
    } else if (streams.length > 0) this.#onWake(streams)
  }
}
