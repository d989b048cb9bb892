/** Acknowledges the events that an application has handled: rarely, one request at a time, and never under another epoch than theirs. */
import { delayAfter, pause } from '../back-off.js'
import type { NoticeTypes } from '../catalogue.js'
import { GaveUpError, isFinal, type SluiceError } from '../errors.js'
import type { Gateway } from '../requests.js'
import type { ConsumerOptions } from './consumer-options.js'

const EVERY = 100
const AFTER_MS = 1_000
const CLOSE_MS = 5_000

/** The consumer, as the first `server.state` of a stream describes it. */
export type Held = NonNullable<NoticeTypes['server.state']['consumer']>

/** A period under one epoch. Events handled in it may be acknowledged together. */
export type Session = Held & { readonly over: AbortController }

/**
 * States: `idle` until an event was handled → `due` until enough were, or the time is over → `sending` until the gateway has answered,
 * with a pause after each failure → `idle`. Events that are handled while it sends go with the next request. `open` with another
 * epoch, `forget` and `lose` end the session: its events are not acknowledged any more.
 */
export class Acknowledger {
  /** The event id that the gateway has acknowledged last. */
  cursor: string | undefined
  #session: Session | undefined
  #handled: string | undefined
  #count = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #sending: Promise<void> | undefined
  #isClosing = false

  constructor(
    readonly gateway: Gateway,
    readonly path: string,
    readonly options: ConsumerOptions,
    /** The gateway has refused for good. */
    readonly onRefused: (error: SluiceError) => void,
  ) {}

  get session(): Session | undefined {
    return this.#session
  }

  open(held: Held): void {
    if (held.epoch !== this.#session?.epoch) this.#begin(held)
  }

  /** Goes on under the same epoch, without the events that were handled until now. */
  forget(): void {
    this.#begin(this.#session)
  }

  /** The epoch is over. */
  lose(): void {
    this.#begin(undefined)
  }

  /** @param session the one in which the application got it. */
  handled(id: string, session: Session | undefined): void {
    if (!session || session !== this.#session) return
    this.#handled = id
    this.#count += 1
    if (this.#count >= this.#every(session)) this.flush()
    else if (!this.#sending) {
      const { ackAfter = AFTER_MS } = this.options
      this.#timer ??= setTimeout(() => this.flush(), Math.min(ackAfter, session.ack_timeout_ms / 4))
    }
  }

  /** Acknowledges now, unless it does already. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const session = this.#session
    if (!session || this.#sending || this.#handled === undefined) return
    this.#sending = this.#send(session).finally(() => {
      if (session !== this.#session) return
      this.#sending = undefined
      // The time of events that were handled meanwhile begins now.
      const id = this.#handled
      if (id !== undefined) {
        this.#count -= 1
        this.handled(id, session)
      }
    })
  }

  /** Acknowledges the handled events, if the gateway answers in time. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.flush()
    const limit = new AbortController()
    await Promise.race([this.#sending, pause(this.options.closeWithin ?? CLOSE_MS, limit.signal)])
    limit.abort()
    this.lose()
  }

  #begin(held: Held | undefined): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#session?.over.abort()
    this.#session = held && { ...held, over: new AbortController() }
    this.#sending = undefined
    this.#handled = undefined
    this.#count = 0
  }

  async #send(session: Session): Promise<void> {
    const { signal } = session.over
    for (let failures = 0; ; ) {
      const id = this.#handled
      if (session !== this.#session || id === undefined) return
      this.#handled = undefined
      this.#count = 0
      try {
        const body = { id, epoch: session.epoch }
        await this.gateway.request('POST', this.path, { body, signal })
        this.cursor = id
        failures = 0
        if (!this.#isClosing && this.#count < this.#every(session)) return
      } catch (error) {
        if (session !== this.#session) return
        const failure = error instanceof GaveUpError ? error.cause : error
        if (isFinal(failure)) return this.onRefused(failure)
        this.#handled ??= id
        failures += 1
        const { retry, max } = { ...this.gateway.options, ...this.options }
        await pause(delayAfter(failure, failures, { retry, max }, this.options.longest), signal)
      }
    }
  }

  #every({ max_in_flight }: Session): number {
    return Math.min(this.options.ackEvery ?? EVERY, Math.max(1, Math.floor(max_in_flight / 2)))
  }
}
