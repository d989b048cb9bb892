/**
 * The plain layer: a connection to any server of Server-Sent Events (WHATWG HTML §9.2) over fetch, which reconnects by itself. It knows
 * nothing of Sluice.
 */
import { aborted, delayAfter, pause } from './back-off.js'
import { gaveUp, isFinal, ProtocolError, type SluiceError, UnavailableError } from './errors.js'
import { type Block, blockReader } from './event-blocks.js'
import { asBytes } from './header-text.js'
import { errorOf } from './response-error.js'
import type { EventStreamOptions, Message, StreamState } from './stream-options.js'
import { onWake } from './wake.js'

/** Spread, because not every environment's types know it. */
const UNCACHED = { cache: 'no-store' } as const
const NEVER = Number.POSITIVE_INFINITY
const SILENCE_MS = 65_000
const MAX_EVENT_BYTES = 16 * 1024 * 1024

/**
 * States: `connecting` → `open` when the response is a 200 with the right content type → `waiting` when the response ends, breaks or is
 * silent, or if no attempt got one → `connecting` again. A wake (online, visible, awake after sleep) ends `waiting` early, unless the
 * server asked for the delay, and looks at the silence of an `open` connection. `closed` is final.
 *
 * It reads from the network only while the consumer of its iteration asks for the next event: a slow consumer slows the server down.
 */
export class EventStream implements AsyncIterable<Message> {
  /** The cursor: sent as `Last-Event-ID` with the next attempt. */
  lastEventId: string
  #state: StreamState = { name: 'connecting' }
  #retry: number | undefined
  /** Ends the current attempt. Its reason says why the attempt is over. */
  #attempt = new AbortController()
  #isAgain = false
  /** Ends the last wait between two attempts. */
  #delay = new AbortController()
  #isAsked = false
  /** When the silence becomes too long, while it waits for bytes. */
  #deadAt = NEVER
  #silent: ReturnType<typeof setTimeout> | undefined
  /** What a function of the application has thrown. */
  #thrown: { readonly error: unknown } | undefined

  constructor(
    readonly url: string | (() => string | Promise<string>),
    readonly options: EventStreamOptions = {},
  ) {
    this.lastEventId = options.lastEventId ?? ''
    this.#retry = options.retry
  }

  get state(): StreamState {
    return this.#state
  }

  /** Ends the stream; the iteration ends without an error. `error` is for the state. Calling it again does nothing. */
  close(error?: SluiceError): void {
    this.#enter({ name: 'closed', reason: error?.code ?? 'closed', ...(error && { error }) })
    this.#stop()
  }

  /** Ends the current attempt or wait, and connects at once with `lastEventId`. */
  reconnect(): void {
    if (this.#state.name === 'closed') return
    this.#isAgain = true
    this.#stop()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    for await (const { id, event, data } of this.blocks()) {
      if (data !== undefined) yield { id, type: event || 'message', data }
    }
  }

  /** Every block of the stream, also those without data, which only move the cursor. Iterate over a stream once. */
  async *blocks(): AsyncGenerator<Block, void> {
    yield* this.#blocks()
    if (this.#thrown) throw this.#thrown.error
  }

  async *#blocks(): AsyncGenerator<Block, void> {
    const { signal, attempts = NEVER, max, longest } = this.options
    const close = () => this.close()
    const stopWaking = onWake(() => this.#wake())
    signal?.addEventListener('abort', close)
    if (signal?.aborted) close()
    let failures = 0
    let lastDelay = 0
    try {
      while (!this.#isClosed()) {
        const openedAt = Date.now()
        let failure: unknown
        let hasDelivered = false
        this.#attempt = new AbortController()
        this.#isAgain = false
        try {
          this.#enter({ name: 'connecting' })
          for await (const block of this.#read()) {
            if (this.#isClosed()) break
            hasDelivered = true
            this.lastEventId = block.id
            yield block
            if (this.#attempt.signal.aborted) break
          }
        } catch (error) {
          failure = error
        }
        if (this.#attempt.signal.aborted) failure = this.#attempt.signal.reason
        this.#stop()
        if (this.#isClosed()) return
        if (this.#isAgain) continue
        if (isFinal(failure)) {
          if (this.options.onRefused?.(failure)) continue
          throw this.#fail(failure)
        }
        const worked = hasDelivered || (this.#state.name === 'open' && Date.now() - openedAt > lastDelay)
        failures = worked ? 0 : failures + 1
        if (failures >= attempts) throw this.#fail(gaveUp(failures, failure))
        lastDelay = delayAfter(failure, failures, { retry: this.#retry, max }, longest)
        this.#delay = new AbortController()
        // A wake does not cut short a delay that the server asked for.
        this.#isAsked = failure instanceof UnavailableError && failure.retryAfterMs !== undefined
        // `onState` may end this wait.
        this.#enter({ name: 'waiting', ms: lastDelay, reason: String(failure ?? 'The response has ended.') })
        await pause(lastDelay, this.#delay.signal)
      }
    } finally {
      close()
      stopWaking()
      // Not with the option `signal`: Node may forget to remove such a listener.
      signal?.removeEventListener('abort', close)
    }
  }

  /** One response. */
  async *#read(): AsyncGenerator<Block, void> {
    const response = await this.#open()
    if (!response) return
    const { maxEventBytes = MAX_EVENT_BYTES, longest = 300_000, onComment } = this.options
    const take = blockReader(this.lastEventId, {
      maxEventBytes,
      onComment: onComment && (text => this.#call(() => onComment(text))),
      onRetry: ms => {
        this.#retry = Math.min(ms, longest)
      },
    })
    const reader = response.body?.getReader()
    // Deno does not always end a read when the request is aborted.
    this.#attempt.signal.onabort = () => reader?.cancel().catch(() => {})
    while (reader) {
      this.#watch()
      const { done, value } = await reader.read()
      this.#unwatch()
      if (done) return
      yield* take(value)
    }
  }

  /** @returns undefined if the stream has ended for good. */
  async #open(): Promise<Response | undefined> {
    const { url } = this
    const { fetch = globalThis.fetch, method = 'GET', body = null, headers, credentials } = this.options
    const { signal } = this.#attempt
    this.#watch()
    // The functions of the application may never settle.
    const [target, given] = await Promise.race([
      Promise.all([
        typeof url === 'function' ? url() : url,
        typeof headers === 'function' ? headers() : headers,
      ]),
      aborted(signal),
    ])
    const response = await fetch(target, {
      method,
      body,
      signal,
      ...UNCACHED,
      ...(credentials && { credentials }),
      headers: {
        Accept: 'text/event-stream',
        ...given,
        ...(this.lastEventId && { 'Last-Event-ID': asBytes(this.lastEventId) }),
      },
    })
    if (response.status === 204) {
      this.#enter({ name: 'closed', reason: 'ended' })
      return undefined
    }
    if (response.status !== 200) throw await errorOf(response)
    const type = response.headers.get('content-type')
    if (!/^text\/event-stream\s*(;|$)/i.test(type ?? '')) {
      throw new ProtocolError('content-type', `Not text/event-stream but ${type}: check the URL.`)
    }
    this.#enter({ name: 'open' })
    return response
  }

  /** Aborts the attempt when no byte has arrived for too long from now on. */
  #watch(): void {
    this.#unwatch()
    const { silence = SILENCE_MS } = this.options
    this.#deadAt = Date.now() + silence
    this.#silent = setTimeout(() => {
      this.#attempt.abort(new Error(`No byte for ${silence} ms.`))
    }, silence)
  }

  #unwatch(): void {
    clearTimeout(this.#silent)
    this.#deadAt = NEVER
  }

  #wake(): void {
    if (!this.#isAsked) this.#delay.abort()
    // The timer did not run while the machine slept.
    if (Date.now() > this.#deadAt) this.reconnect()
  }

  #stop(): void {
    this.#unwatch()
    this.#attempt.abort()
    this.#delay.abort()
  }

  #enter(state: StreamState): void {
    if (this.#state.name === 'closed') return
    this.#state = state
    this.#call(() => this.options.onState?.(state))
  }

  /** An error of the application ends the stream: it is none of the network, which is tried again. */
  #call(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#thrown ??= { error }
      this.close()
    }
  }

  #isClosed(): boolean {
    return this.#state.name === 'closed'
  }

  #fail(error: SluiceError): SluiceError {
    this.close(error)
    return error
  }
}
