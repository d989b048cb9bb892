/**
 * `sluice-client/ai/chat-transport`: a transport for `useChat` of the AI SDK 6. The application's route starts the answer and names its
 * stream; the browser follows that stream from the gateway, so a reload, a second tab or a restart loses no part of it.
 */
import type { ChatTransport, UIMessage, UIMessageChunk } from 'ai'
import type { ClientOptions } from '../client-options.js'
import { ProtocolError } from '../errors.js'
import type { AnyEvent } from '../events.js'
import { Feed } from '../feed.js'
import type { FeedOptions } from '../feed-options.js'
import { Gateway } from '../requests.js'
import { errorOf } from '../response-error.js'

/** After the part that ends the message, others may follow in the same stream, and its end should; no longer than this. */
const END_MS = 1_000

/** A feed of this package, or of `sluice-client/tabs`. */
export interface FollowedStream extends AsyncIterable<AnyEvent> {
  close(): void
  reconnect(): void
}

export interface StoppedAnswer {
  readonly chatId: string
  readonly stream: string
}

interface ApplicationOptions {
  /**
   * The application's route. POST gets `{id, messages, trigger, messageId}` and the `body` of the request, and answers `{"stream": NAME}`;
   * GET `/CHAT/stream` answers the same, or 204 if no answer is under way; POST `/CHAT/stop` with `{stream}` cancels it. Default `/api/chat`.
   */
  readonly api?: string | undefined
  /** Headers of the requests to the application. */
  readonly headers?:
    | Readonly<Record<string, string>>
    | (() => Promise<Readonly<Record<string, string>>>)
    | undefined
  /** Cancels the answer in another way than by the route. */
  onStop?: ((answer: StoppedAnswer) => unknown) | undefined
}

/** The gateway, or a client for it, such as one that tabs share. */
export type ChatTransportOptions = ApplicationOptions &
  (
    | ClientOptions
    | { readonly client: { feed(options: FeedOptions): FollowedStream }; readonly fetch?: typeof fetch }
  )

type SendOptions<Message extends UIMessage> = Parameters<ChatTransport<Message>['sendMessages']>[0]
type ReconnectOptions = Parameters<ChatTransport<UIMessage>['reconnectToStream']>[0]
type Extras = Pick<ReconnectOptions, 'headers' | 'body'>

/** @returns a transport. It follows each answer by its event ids across interruptions, and ends with the answer's stream. */
export function createChatTransport<Message extends UIMessage = UIMessage>(
  options: ChatTransportOptions,
): ChatTransport<Message> {
  return new StreamTransport<Message>(options)
}

class StreamTransport<Message extends UIMessage> implements ChatTransport<Message> {
  /** A stream is followed from its first part. */
  readonly resumeStreamIsReplay = true
  readonly #options: ChatTransportOptions
  readonly #feed: (options: FeedOptions) => FollowedStream
  /** The newest reconnect of each chat. */
  readonly #reconnects = new Map<string, object>()

  constructor(options: ChatTransportOptions) {
    this.#options = options
    if ('client' in options) this.#feed = given => options.client.feed(given)
    else {
      const gateway = new Gateway(options)
      this.#feed = given => new Feed(gateway, given)
    }
  }

  async sendMessages({ chatId, messages, trigger, messageId, abortSignal, ...extras }: SendOptions<Message>) {
    const body = { ...extras.body, id: chatId, messages, trigger, messageId }
    const asked = this.#ask('POST', '', extras, body)
    const stream = await unlessAborted(asked, abortSignal, answer => this.#stop(chatId, answer, extras))
    if (!stream)
      throw new ProtocolError('no-stream', 'The route answered 204 to a message: it names a stream.')
    return this.#follow(stream, abortSignal, () => void this.#stop(chatId, stream, extras))
  }

  async reconnectToStream({ chatId, abortSignal, ...extras }: ReconnectOptions) {
    const reconnect = {}
    this.#reconnects.set(chatId, reconnect)
    // `stop` aborts the signal, and so does a further reconnect, which follows in the same turn: it must not cancel the answer.
    const stop = (answer: string | undefined) =>
      queueMicrotask(() => {
        if (this.#reconnects.get(chatId) === reconnect) void this.#stop(chatId, answer, extras)
      })
    const asked = this.#ask('GET', `/${encodeURIComponent(chatId)}/stream`, extras)
    const stream = await unlessAborted(asked, abortSignal, stop)
    return stream === undefined ? null : this.#follow(stream, abortSignal, () => stop(stream))
  }

  /** @param onAbort called when the signal aborts before the end of the answer. */
  #follow(
    stream: string,
    signal: AbortSignal | undefined,
    onAbort: () => void,
  ): ReadableStream<UIMessageChunk> {
    let hasEnded = false
    const feed = this.#feed({
      stream,
      types: ['chunk'],
      from: 'beginning',
      // Only the end of the stream is still to come: ask for it at once.
      onState: ({ name }) => hasEnded && name === 'waiting' && feed.reconnect(),
    })
    let timer: ReturnType<typeof setTimeout>
    const abort = () => {
      feed.close()
      onAbort()
    }
    const release = () => {
      signal?.removeEventListener('abort', abort)
      clearTimeout(timer)
    }
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    const parts = partsOf(feed)
    return new ReadableStream<UIMessageChunk>({
      async pull(controller) {
        try {
          const { done, value } = await parts.next()
          if (done) {
            release()
            return controller.close()
          }
          if (value.type === 'finish' || value.type === 'abort') {
            hasEnded = true
            timer = setTimeout(() => feed.close(), END_MS)
          }
          controller.enqueue(value)
        } catch (error) {
          release()
          controller.error(error)
        }
      },
      cancel() {
        release()
        feed.close()
      },
    })
  }

  async #stop(chatId: string, stream: string | undefined, extras: Extras): Promise<void> {
    if (stream === undefined) return
    const { onStop } = this.#options
    // Not awaited: the state that stop() shows does not depend on it.
    await (onStop
      ? Promise.resolve(onStop({ chatId, stream }))
      : this.#ask('POST', `/${encodeURIComponent(chatId)}/stop`, extras, { stream })
    ).catch(error => console.error('The answer could not be cancelled.', error))
  }

  /** @returns the stream that the application names; undefined if it names none. */
  async #ask(method: string, path: string, extras: Extras, body?: object): Promise<string | undefined> {
    const { api = '/api/chat', headers, fetch = globalThis.fetch } = this.#options
    const response = await fetch(api + path, {
      method,
      headers: {
        ...(body && { 'Content-Type': 'application/json' }),
        ...(typeof headers === 'function' ? await headers() : headers),
        ...Object.fromEntries(new Headers(extras.headers)),
      },
      body: body ? JSON.stringify(body) : null,
    })
    if (!response.ok) throw await errorOf(response)
    const text = await response.text()
    if (!text) return undefined
    const { stream }: { stream?: unknown } = JSON.parse(text) ?? {}
    return typeof stream === 'string' ? stream : undefined
  }
}

/** @param onLate gets the value if it arrives after the signal has aborted. */
async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  onLate: (value: T) => unknown,
): Promise<T> {
  return await new Promise((resolve, reject) => {
    const abort = () => {
      promise.then(onLate, () => {})
      reject(new DOMException('The request was stopped.', 'AbortError'))
    }
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) return abort()
    promise.then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort))
  })
}

async function* partsOf(feed: FollowedStream): AsyncGenerator<UIMessageChunk, void> {
  for await (const { data } of feed) {
    // The data of an event can be erased.
    if (data.json !== undefined) yield data.json as UIMessageChunk
  }
}
