/**
 * The bus on a message broker: NATS or Redis. The first wake is sent at once; those that follow while the broker takes it are sent
 * together. While the broker is away wakes are dropped, because the polls of the other processes find the events.
 *
 * With a key, messages are signed and carry the events (wake-message.ts). Events are passed on only if they were sent since this
 * process knows which history of the database it reads: not while its connection to the database is lost, nor those from before.
 * Other messages are wakes, which a stranger may have sent or repeated, so they are passed on ten times a second at most.
 */
import { randomUUID } from 'node:crypto'
import type { Committed } from '../log/committed.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import type { Broker } from './broker.js'
import { BrokerSession } from './broker-session.js'
import type { Bus, BusStatus, Wake } from './bus.js'
import type { MessageKey } from './message-key.js'
import { formatMessages } from './message-writer.js'
import { Outbox } from './outbox.js'
import { Relay, type RelayOptions } from './relay.js'
import { type MessagePlace, parseMessage, type WakeMessage } from './wake-message.js'

const STRANGERS_EVERY_MS = 100
const REPORT_EVERY_MS = 60_000
const HISTORY_RETRY_MS = 500
const UNSIGNED =
  'A message on the bus has no valid signature, so its events are read from the log. Set the same BUS_SECRET or JWT_SECRET on every gateway, and let only gateways publish on this channel.'

/** The place on the broker at which the processes of one database meet, and no others. */
export interface BrokerPlace {
  readonly channel: string
  /** The database and its timeline. */
  readonly history: string
  /** How far the database's clock is ahead of this process's, in ms. */
  readonly clockAheadMs: number
}

export interface BrokerBusOptions {
  readonly broker: Broker
  /** Undefined: messages are not signed, and carry no events. */
  readonly key?: MessageKey | undefined
  readonly canaryEveryMs?: number | undefined
  readonly canaryDeadlineMs?: number | undefined
  readonly connectDeadlineMs?: number | undefined
  readonly logger?: Logger | undefined
  /** How this process passes on the wakes of SQL publishers. Undefined: it does not. */
  readonly relay?: Pick<RelayOptions, 'database' | 'url' | 'name'> | undefined
  /** Asks the database. */
  place(): Promise<BrokerPlace>
}

export class BrokerBus implements Bus {
  readonly kind: Broker['kind']
  /** Undefined without a key. */
  readonly announce: Bus['announce']
  readonly #options: BrokerBusOptions
  /** Marks the messages of this process: it has woken its own tailer at COMMIT. */
  readonly #sender = randomUUID()
  readonly #session: BrokerSession
  readonly #relay: Relay | undefined
  readonly #outbox = new Outbox()
  /** Wakes of strangers that wait for their turn. */
  readonly #strangers = new Outbox()
  #strangersTurn: NodeJS.Timeout | undefined
  #reportedAt = Number.NEGATIVE_INFINITY
  /** Undefined while the database may be another server than the one whose history was read. */
  #history: string | undefined
  /** How many times another server may have taken over. */
  #era = 0
  #clockAheadMs = 0
  /** Events that were sent before this time are not passed on; in ms since 1970, by the database's clock. */
  #notBefore = 0
  #asking: NodeJS.Timeout | undefined
  #busy = false
  #running: Promise<void> | undefined
  #closed = false
  #onWake: (wake: Wake) => void = () => {}
  #onCommitted: ((committed: readonly Committed[]) => void) | undefined
  #isAlone = () => false

  constructor(options: BrokerBusOptions) {
    this.#options = options
    this.kind = options.broker.kind
    this.announce = options.key && (committed => this.#send(outbox => outbox.carry(committed)))
    this.#session = new BrokerSession({
      ...options,
      channel: () => this.#ask(),
      canary: () => formatMessages(this.#place(Date.now()), {})[0] ?? Buffer.of(),
      onMessage: bytes => this.#received(bytes),
      onUp: () => this.#onWake('all'),
    })
    this.#relay =
      options.relay &&
      new Relay({
        ...options.relay,
        holder: this.#sender,
        logger: options.logger,
        canPass: () => this.#session.isUp,
        pass: wake => {
          this.#onWake(wake)
          this.#send(outbox => outbox.wake(wake))
        },
      })
  }

  get status(): BusStatus {
    return this.#session.isUp ? 'listening' : 'down'
  }

  get canaryAgeMs(): number | undefined {
    return this.#session.canaryAgeMs
  }

  get isRelay(): boolean | undefined {
    return this.#relay?.isRelaying
  }

  async start(
    onWake: (wake: Wake) => void,
    onCommitted?: (committed: readonly Committed[]) => void,
  ): Promise<void> {
    if (this.#closed) return
    this.#onWake = onWake
    this.#onCommitted = onCommitted
    this.#session.start()
    this.#relay?.start()
  }

  wake(streams: readonly StreamId[]): void {
    this.#send(outbox => outbox.wake(streams))
  }

  restWhile(isAlone: () => boolean): void {
    this.#isAlone = isAlone
  }

  historyMayDiffer(): void {
    this.#history = undefined
    this.#era += 1
    this.#notBefore = this.#now(Date.now())
    if (!this.#closed) this.#asking ??= setTimeout(() => void this.#askAgain(), 0)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#onWake = () => {}
    this.#onCommitted = undefined
    clearTimeout(this.#strangersTurn)
    clearTimeout(this.#asking)
    await Promise.all([this.#relay?.close(), this.#running])
    await this.#session.close()
  }

  #send(put: (outbox: Outbox) => void): void {
    if (this.#closed || !this.#session.isUp || this.#isAlone()) return
    put(this.#outbox)
    if (!this.#busy) this.#running = this.#run()
  }

  async #run(): Promise<void> {
    this.#busy = true
    while (!this.#outbox.isEmpty && this.#session.isUp) {
      const { since, ...content } = this.#outbox.take()
      await this.#session.send(formatMessages(this.#place(since), content, this.#session.maxBytes))
    }
    this.#outbox.take()
    this.#busy = false
  }

  /** @param time in ms since 1970, by this process's clock. */
  #place(time: number): MessagePlace {
    const history = this.#history
    return {
      self: this.#sender,
      history,
      key: this.#options.key,
      at: this.#now(time),
      notBefore: this.#notBefore,
    }
  }

  #now(time: number): number {
    return time + this.#clockAheadMs
  }

  #received(bytes: Uint8Array): void {
    const message = parseMessage(bytes, this.#place(Date.now()))
    if (message === 'own') this.#session.canaryCame()
    else if (message?.refused && this.#options.key) this.#passLater(message)
    else if (message) this.#pass(message)
  }

  #pass({ wake, committed }: WakeMessage): void {
    if (committed.length > 0 && this.#onCommitted) this.#onCommitted(committed)
    else if (committed.length > 0) this.#onWake(committed.map(({ streamId }) => streamId))
    if (wake.length > 0) this.#onWake(wake)
  }

  #passLater({ wake, refused }: WakeMessage): void {
    const now = performance.now()
    if (refused === 'unsigned' && now - this.#reportedAt > REPORT_EVERY_MS) {
      this.#reportedAt = now
      this.#options.logger?.warn({ bus: this.kind }, UNSIGNED)
    }
    this.#strangers.wake(wake)
    this.#strangersTurn ??= setTimeout(() => {
      this.#strangersTurn = undefined
      if (!this.#strangers.isEmpty) this.#onWake(this.#strangers.take().wake)
    }, STRANGERS_EVERY_MS)
  }

  async #ask(): Promise<string> {
    const era = this.#era
    const { channel, history, clockAheadMs } = await this.#options.place()
    // Otherwise the answer may be that of the former server.
    if (era === this.#era) {
      this.#history = history
      this.#clockAheadMs = clockAheadMs
    }
    return channel
  }

  async #askAgain(): Promise<void> {
    await this.#ask().catch(() => {})
    const isOver = this.#history !== undefined || this.#closed
    this.#asking = isOver ? undefined : setTimeout(() => void this.#askAgain(), HISTORY_RETRY_MS)
  }
}
