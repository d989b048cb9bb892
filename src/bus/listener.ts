/**
 * Keeps one LISTEN alive for ever, by pg-listen.
 *
 * down ── connect, LISTEN, first canary back ──▶ listening ── connection lost, or a canary lost ──▶ down
 *
 * pg-listen reports a connection that ends; a half-open socket, or a pooler that hands the LISTEN to nobody, is
 * found by a canary: every 5 s the listener sends itself a NOTIFY, which must be back within 2.5 s. A subscriber
 * that failed is thrown away with its socket, and a new one is built after a pause that grows with jitter.
 * pg-listen's own reconnecting is switched off: it cannot be stopped, and leaks a connection when closed.
 */
import { Socket } from 'node:net'
import pgListen, { type Subscriber } from 'pg-listen'
import { Backoff } from '../process/backoff.js'
import { WAKE_CHANNEL } from './wake-text.js'

const createSubscriber = pgListen.default

const CANARY_EVERY_MS = 5_000
const CANARY_DEADLINE_MS = 2_500
const CONNECT_DEADLINE_MS = 2_500
const PAUSE_MS = { minMs: 75, maxMs: 3_000, jitter: 2 / 3 }
/** Against those of the role or the database (src/database/session.ts): pg-listen lets nobody else use its connection. */
const SETTINGS =
  '-c statement_timeout=30s -c lock_timeout=0 -c idle_session_timeout=0 -c synchronous_commit=off'

export interface ListenerOptions {
  readonly url: string
  /** The payload that the listener sends itself; it must come back through `onPayload` to nobody. */
  readonly canary: string
  /** Default 5 s between canaries and 2.5 s for one to come back; tests are less patient. */
  readonly canaryEveryMs?: number
  readonly canaryDeadlineMs?: number
  onPayload(payload: unknown): void
  /** Each time the listener is up, again or for the first time: wakes before this moment may be lost. */
  onListening(): void
}

export class Listener {
  readonly #options: Required<ListenerOptions>
  #socket: Socket | undefined
  #subscriber: Subscriber | undefined
  #listening = false
  #closed = false
  readonly #backoff = new Backoff(PAUSE_MS)
  #timer: NodeJS.Timeout | undefined
  #canaryBack: (() => void) | undefined

  constructor(options: ListenerOptions) {
    this.#options = {
      canaryEveryMs: CANARY_EVERY_MS,
      canaryDeadlineMs: CANARY_DEADLINE_MS,
      ...options,
    }
  }

  get listening(): boolean {
    return this.#listening
  }

  start(): void {
    if (!this.#closed && !this.#subscriber) void this.#connect()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#discard()
  }

  async #connect(): Promise<void> {
    const subscriber = this.#build()
    try {
      await subscriber.connect()
      await subscriber.listenTo(WAKE_CHANNEL)
      await this.#canary(subscriber)
    } catch {
      this.#lost(subscriber)
      return
    }
    if (this.#subscriber !== subscriber) return
    this.#listening = true
    this.#backoff.reset()
    this.#options.onListening()
    this.#scheduleCanary(subscriber)
  }

  #build(): Subscriber {
    const socket = new Socket()
    const subscriber = createSubscriber(
      {
        connectionString: this.#options.url,
        application_name: 'sluice listen',
        connectionTimeoutMillis: CONNECT_DEADLINE_MS,
        query_timeout: this.#options.canaryDeadlineMs,
        options: SETTINGS,
        // Ours, so that it can be destroyed: ending a half-open connection politely takes for ever.
        stream: () => socket,
      },
      // One attempt: a lost connection becomes an error event, and the pause is ours.
      { retryLimit: 1, paranoidChecking: false, parse: text => text, serialize: String },
    )
    subscriber.events.on('error', () => this.#lost(subscriber))
    subscriber.notifications.on(WAKE_CHANNEL, payload => this.#received(subscriber, payload))
    this.#socket = socket
    this.#subscriber = subscriber
    return subscriber
  }

  #received(subscriber: Subscriber, payload: unknown): void {
    if (this.#closed || this.#subscriber !== subscriber) return
    if (payload === this.#options.canary) this.#canaryBack?.()
    else this.#options.onPayload(payload)
  }

  #scheduleCanary(subscriber: Subscriber): void {
    this.#timer = setTimeout(() => {
      this.#canary(subscriber).then(
        () => this.#subscriber === subscriber && this.#scheduleCanary(subscriber),
        () => this.#lost(subscriber),
      )
    }, this.#options.canaryEveryMs)
  }

  async #canary(subscriber: Subscriber): Promise<void> {
    let deadline: NodeJS.Timeout | undefined
    const back = new Promise<void>((resolve, reject) => {
      this.#canaryBack = resolve
      deadline = setTimeout(() => reject(new Error('canary lost')), this.#options.canaryDeadlineMs)
    })
    this.#timer = deadline
    await Promise.all([subscriber.notify(WAKE_CHANNEL, this.#options.canary), back])
    // Not `#timer`: that may be the pause after a loss by now, and nobody would connect again.
    clearTimeout(deadline)
  }

  #lost(subscriber: Subscriber): void {
    if (this.#closed || this.#subscriber !== subscriber) return
    this.#discard()
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.next())
  }

  #discard(): void {
    clearTimeout(this.#timer)
    const subscriber = this.#subscriber
    this.#subscriber = undefined
    this.#listening = false
    subscriber?.close().catch(() => {})
    this.#socket?.destroy()
  }
}
