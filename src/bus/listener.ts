/**
 * Keeps one LISTEN alive for as long as the process lives, with pg-listen.
 *
 * down ── connect, LISTEN, first canary back ──▶ listening ── connection lost, or a canary lost ──▶ down
 *
 * pg-listen reports a connection that ends. A canary finds a half-open socket, and a pooler that keeps no session for the
 * LISTEN: every 5 s the listener sends itself a NOTIFY, which must be back within 2.5 s. A subscriber that failed is thrown
 * away with its socket, and a new one is built after a pause that grows and has jitter. pg-listen's own reconnection is
 * switched off, because it cannot be stopped, and leaks a connection when it is closed.
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
/** Override those of the role and the database. src/database/session.ts cannot: pg-listen gives no access to its connection. */
const SETTINGS =
  '-c statement_timeout=30s -c lock_timeout=0 -c idle_session_timeout=0 -c synchronous_commit=off'

export interface ListenerOptions {
  readonly url: string
  /** The payload that the listener sends itself. It is never passed to `onPayload`. */
  readonly canary: string
  /** Time between canaries, default 5 s, and time for one to come back, default 2.5 s; tests are less patient. */
  readonly canaryEveryMs?: number
  readonly canaryDeadlineMs?: number
  onPayload(payload: unknown): void
  /** Called each time that the listener has come up: wakes before this moment may be lost. */
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
  #canaryAt: number | undefined
  #losses = 0

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

  /** How long ago a canary came back, in ms; undefined if none has. */
  get canaryAgeMs(): number | undefined {
    return this.#canaryAt === undefined ? undefined : performance.now() - this.#canaryAt
  }

  /** How many times a fault has stopped its listening. */
  get losses(): number {
    return this.#losses
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
        // Our own socket, so that it can be destroyed: a half-open connection never ends in the regular way.
        stream: () => socket,
      },
      // One attempt: a lost connection becomes an error event, and the listener reconnects by itself.
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
    // Not `#timer`: by now that may be the pause after a loss, and without it the listener would never reconnect.
    clearTimeout(deadline)
    this.#canaryAt = performance.now()
  }

  #lost(subscriber: Subscriber): void {
    if (this.#closed || this.#subscriber !== subscriber) return
    if (this.#listening) this.#losses += 1
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
