/**
 * Keeps one connection to a broker alive for as long as the process lives.
 *
 *   down ── connect, subscribe, first canary back ──▶ up ── connection lost, a canary or a batch not taken in time ──▶ down
 *
 * A canary finds a half-open socket, a broker that is too slow, and one that lets this process publish or subscribe no longer: every
 * 5 s the session sends itself a message, which must be back within 2.5 s. A connection that failed is thrown away, and a new one is
 * made after a pause that grows and has jitter. The next batch is sent when the broker has answered for each message of the last
 * one, so at most one batch waits in sockets.
 *
 * The channel is looked up anew with each connection, and every 30 s: a database that moved to another server has another one.
 */
import type { Logger } from '../logging/logger.js'
import { Backoff } from '../process/backoff.js'
import { elapsed, signalOrDeadline, untilAborted } from '../process/deadline.js'
import type { Broker, BrokerConnection } from './broker.js'

const CANARY_EVERY_MS = 5_000
const DEADLINE_MS = 2_500
const CONNECT_DEADLINE_MS = 5_000
const PAUSE_MS = { minMs: 75, maxMs: 3_000, jitter: 2 / 3 }
/** One in this many canaries. */
const CHANNEL_CHECKED_EACH = 6
const NAMES = { nats: 'NATS', redis: 'Redis' } as const

export interface BrokerSessionOptions {
  readonly broker: Broker
  /** Time between canaries, default 5 s, and time for one to come back, default 2.5 s; tests are less patient. */
  readonly canaryEveryMs?: number | undefined
  readonly canaryDeadlineMs?: number | undefined
  /** Time to connect, default 5 s. */
  readonly connectDeadlineMs?: number | undefined
  readonly logger?: Logger | undefined
  /** The channel of this database. */
  channel(): Promise<string>
  /** A message that leads to `canaryCame` when it arrives. */
  canary(): Uint8Array
  onMessage(bytes: Uint8Array): void
  /** Called each time that the session has come up: messages before this moment may be lost. */
  onUp(): void
}

export class BrokerSession {
  readonly #options: BrokerSessionOptions
  readonly #deadlineMs: number
  readonly #closing = new AbortController()
  readonly #backoff = new Backoff(PAUSE_MS)
  #running: Promise<void> | undefined
  #current: { readonly connection: BrokerConnection; readonly life: AbortController } | undefined
  #isUp = false
  #canaryBack = () => {}
  #canaryAt: number | undefined
  /** The reason in the log, so that an outage is one line, and each further reason another. */
  #reported: string | undefined

  constructor(options: BrokerSessionOptions) {
    this.#options = options
    this.#deadlineMs = options.canaryDeadlineMs ?? DEADLINE_MS
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** The longest message that can be sent now, in bytes. */
  get maxBytes(): number {
    return this.#current?.connection.maxBytes ?? 0
  }

  /** How long ago a canary came back, in ms; undefined if none has. */
  get canaryAgeMs(): number | undefined {
    return this.#canaryAt === undefined ? undefined : performance.now() - this.#canaryAt
  }

  start(): void {
    if (!this.#closing.signal.aborted) this.#running ??= this.#run()
  }

  canaryCame(): void {
    this.#canaryBack()
  }

  /** Resolves when the broker has the messages, or has lost them. Never rejects. */
  async send(messages: readonly Uint8Array[]): Promise<void> {
    const current = this.#current
    if (!current) return
    const { connection, life } = current
    try {
      await this.#within(connection.publish(messages), life.signal, 'It has not taken messages')
    } catch (error) {
      life.abort(error)
    }
  }

  /** Sends nothing more. Closing twice is fine. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const error = await this.#live().catch((reason: unknown) => reason)
      if (this.#closing.signal.aborted) return
      this.#report(error)
      await elapsed(this.#backoff.next(), this.#closing.signal)
    }
  }

  /** One connection, until it ends. Rejects with the reason, and is over when it is closed. */
  async #live(): Promise<void> {
    const { channel: find, onMessage } = this.#options
    const life = new AbortController()
    const lose = (error: unknown) => life.abort(error)
    const stop = () => life.abort()
    this.#closing.signal.addEventListener('abort', stop)
    let connection: BrokerConnection | undefined
    try {
      const look = () =>
        this.#within(find(), life.signal, 'The database has not answered', CONNECT_DEADLINE_MS)
      const channel = await look()
      const events = {
        onMessage: (bytes: Uint8Array) => {
          if (!life.signal.aborted) onMessage(bytes)
        },
        onLost: lose,
      }
      connection = await this.#connect(channel, events, life.signal)
      this.#current = { connection, life }
      for (let canaries = 1; ; canaries += 1) {
        await this.#canary(life.signal)
        if (!this.#isUp) this.#up()
        await elapsed(this.#options.canaryEveryMs ?? CANARY_EVERY_MS, life.signal)
        life.signal.throwIfAborted()
        if (canaries % CHANNEL_CHECKED_EACH === 0 && (await look().catch(() => channel)) !== channel)
          throw new Error('The database has moved to another server.')
      }
    } finally {
      this.#isUp = false
      this.#current = undefined
      this.#closing.signal.removeEventListener('abort', stop)
      life.abort()
      await connection?.close()
    }
  }

  async #connect(...[channel, events, signal]: Parameters<Broker['connect']>): Promise<BrokerConnection> {
    const deadline = signalOrDeadline(signal, this.#options.connectDeadlineMs ?? CONNECT_DEADLINE_MS)
    try {
      return await this.#options.broker.connect(channel, events, deadline.signal)
    } catch (error) {
      // A refusal that came as an event has the reason; the failure that follows it says only that the connection has ended.
      if (signal.aborted) throw signal.reason
      throw deadline.signal.aborted ? new Error('It has not answered in time.') : error
    } finally {
      deadline.release()
    }
  }

  async #canary(signal: AbortSignal): Promise<void> {
    const back = new Promise<void>(resolve => {
      this.#canaryBack = resolve
    })
    void this.send([this.#options.canary()])
    await this.#within(back, signal, 'It has not returned a message')
    this.#canaryAt = performance.now()
  }

  /** Rejects when the connection is lost, or the time is over. */
  async #within<T>(
    result: Promise<T>,
    signal: AbortSignal,
    failure: string,
    deadlineMs = this.#deadlineMs,
  ): Promise<T> {
    const over = signalOrDeadline(signal, deadlineMs)
    try {
      return await untilAborted(result, over.signal)
    } catch (error) {
      throw over.signal.aborted && !signal.aborted ? new Error(`${failure} within ${deadlineMs} ms.`) : error
    } finally {
      over.release()
    }
  }

  #up(): void {
    this.#isUp = true
    this.#backoff.reset()
    const { logger, broker, onUp } = this.#options
    if (this.#reported !== undefined) logger?.info({ bus: broker.kind }, `${NAMES[broker.kind]} is back.`)
    this.#reported = undefined
    onUp()
  }

  /** The message alone: an error of a Redis client also has the command that failed, with its password. */
  #report(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    const { logger, broker } = this.#options
    if (reason !== this.#reported) {
      const text = `The bus has lost ${NAMES[broker.kind]}: events of other processes arrive by the poll until it is back.`
      logger?.warn({ bus: broker.kind, reason }, text)
    }
    this.#reported = reason
  }
}
