/**
 * A stream of messages of a route's own making, for whoever uses `reply.sse()` without Sluice's log behind it: what
 * is sent is bounded by the sink, a client that leaves ends it, and heartbeats keep proxies from cutting it.
 */
import { encodeMessage, type SseMessage } from './frame.js'
import { Payload } from './payload.js'
import type { Sink } from './sink.js'

const HEARTBEAT_MS = 15_000

export interface MessageStreamOptions {
  /** Time between comments that keep the connection open; default 15 s, 0 sends none. */
  readonly heartbeatMs?: number
  /** Sent first: after how many milliseconds the client shall reconnect; default: the client's own choice. */
  readonly retryMs?: number
}

export class MessageStream {
  readonly #sink: Sink
  readonly #gone = new AbortController()
  readonly closed: Promise<void>

  constructor(sink: Sink, { heartbeatMs = HEARTBEAT_MS, retryMs }: MessageStreamOptions = {}) {
    this.#sink = sink
    this.#write(retryMs === undefined ? { comment: '' } : { retry: retryMs })
    const timer = heartbeatMs > 0 ? setInterval(() => this.#write({ comment: '' }), heartbeatMs) : undefined
    this.closed = new Promise(resolve => {
      sink.onClosed(() => {
        clearInterval(timer)
        this.#gone.abort()
        resolve()
      })
    })
  }

  /** Aborts when the stream has ended: hand it to whatever produces the messages. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /**
   * Resolves as soon as more may be sent; awaiting it is the back-pressure. After the end it does nothing.
   * @throws {RangeError} for control characters in `id` or `event`; nothing was sent then.
   */
  async send(message: SseMessage): Promise<void> {
    this.#write(message)
    if (this.#sink.full) await this.#sink.drained()
  }

  /** Sends all of them as fast as the client reads, then ends; stops the source when the client leaves. */
  async sendAll(messages: AsyncIterable<SseMessage>): Promise<void> {
    const iterator = messages[Symbol.asyncIterator]()
    const gone = this.closed.then(() => ({ done: true, value: undefined }) as const)
    try {
      for (;;) {
        const next = await Promise.race([iterator.next(), gone])
        if (next.done || this.signal.aborted) break
        await this.send(next.value)
      }
    } finally {
      // Not awaited: a generator that waits for its next message answers only after that.
      iterator.return?.().catch(() => {})
      this.end()
    }
  }

  end(): void {
    this.#sink.end()
  }

  #write(message: SseMessage): void {
    this.#sink.write(Payload.text(encodeMessage(message)))
  }
}
