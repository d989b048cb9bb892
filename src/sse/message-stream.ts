/**
 * A stream of a route's own messages, for routes that use `reply.sse()` without Sluice's log. The sink bounds the
 * waiting bytes, a client that disconnects or stops reading ends the stream, and heartbeats keep proxies from cutting
 * it.
 */
import { PeriodicLoop } from '../process/periodic-loop.js'
import { encodeMessage, type SseMessage } from './frame.js'
import { Payload } from './payload.js'
import { type Sink, STALLED_MS } from './sink.js'

const HEARTBEAT_MS = 15_000
const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

export interface MessageStreamOptions {
  /** Time between comments that keep the connection open; default 15 s, 0 sends none. */
  readonly heartbeatMs?: number
  /** The reconnection time in milliseconds, sent with the first data; default: the client's own choice. */
  readonly retryMs?: number
}

export class MessageStream {
  readonly #sink: Sink
  readonly #gone = new AbortController()
  readonly closed: Promise<void>
  /** Not sent yet: several clients pass a block with only this field to the application. */
  #retryMs: number | undefined

  constructor(sink: Sink, { heartbeatMs = HEARTBEAT_MS, retryMs }: MessageStreamOptions = {}) {
    this.#sink = sink
    this.#retryMs = retryMs
    this.#write({ comment: '' })
    const ticks = new PeriodicLoop({
      name: 'Sending the heartbeat of a stream',
      everyMs: heartbeatMs || HEARTBEAT_MS,
      turn: () => this.#tick(heartbeatMs > 0),
    }).start()
    this.closed = new Promise(resolve => {
      sink.onClosed(() => {
        ticks.stop()
        this.#gone.abort()
        resolve()
      })
    })
  }

  /** Aborts when the stream has ended: pass it to the producer of the messages. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /**
   * Resolves when the client has room for more: awaiting it is the backpressure. After the end it does nothing.
   * @throws {RangeError} for control characters in `id` or `event`; nothing was sent then.
   */
  async send(message: SseMessage): Promise<void> {
    this.#write(this.#withRetry(message))
    if (this.#sink.full) await this.#sink.drained()
  }

  /**
   * Sends all messages as fast as the client reads, then ends; stops the source if the client disconnects.
   * @throws the source's error; the stream has ended then.
   */
  async sendAll(messages: AsyncIterable<SseMessage>): Promise<void> {
    const source = messages[Symbol.asyncIterator]()
    try {
      for (let next = await this.#nextOf(source); !next.done; next = await this.#nextOf(source)) {
        await this.send(next.value)
      }
    } finally {
      // Not awaited: a generator that waits for its next message answers only after that.
      void stop(source)
      this.end()
    }
  }

  end(): void {
    this.#sink.end()
  }

  /** The source's next message, or its end if the client disconnects first. */
  #nextOf(source: AsyncIterator<SseMessage>): Promise<IteratorResult<SseMessage, unknown>> {
    if (this.signal.aborted) return Promise.resolve(DONE)
    return new Promise((resolve, reject) => {
      // A listener can be removed; a race with `closed` would keep every message in memory until the end.
      const left = () => resolve(DONE)
      this.signal.addEventListener('abort', left)
      source
        .next()
        .then(resolve, reject)
        .finally(() => this.signal.removeEventListener('abort', left))
    })
  }

  #withRetry(message: SseMessage): SseMessage {
    if (this.#retryMs === undefined || message.data === undefined) return message
    const retry = this.#retryMs
    this.#retryMs = undefined
    return { retry, ...message }
  }

  #tick(heartbeat: boolean): void {
    if (this.#sink.stalledFor(Date.now()) > STALLED_MS) this.#sink.destroy()
    else if (heartbeat && !this.#sink.full) this.#write({ comment: '' })
  }

  #write(message: SseMessage): void {
    const text = encodeMessage(message)
    this.#sink.write(Payload.text(isComment(message) ? text.slice(0, -1) : text))
  }
}

/**
 * A comment ends no block. After an empty line, a client that follows the standard to the letter would forget its id
 * (WHATWG HTML §9.2.6: the id of an empty block is the id buffer, which starts empty).
 */
function isComment({ id, event, data, retry }: SseMessage): boolean {
  return (id ?? event ?? data ?? retry) === undefined
}

/** The stream has ended, so nobody receives the source's response to that. */
async function stop(source: AsyncIterator<SseMessage>): Promise<void> {
  try {
    await source.return?.()
  } catch {}
}
