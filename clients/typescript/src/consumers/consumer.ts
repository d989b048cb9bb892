/** A consumer that is followed: its events, from the cursor that the gateway keeps, with the acknowledgements that move it. */
import { RefusedError, type SluiceError } from '../errors.js'
import type { FeedEvent, Notice } from '../events.js'
import { Feed } from '../feed.js'
import { Gateway } from '../requests.js'
import type { StreamState } from '../stream-options.js'
import { Acknowledger } from './acknowledger.js'
import { HandlerError, TakenOverError } from './consumer-errors.js'
import type { ConsumerOptions } from './consumer-options.js'

/**
 * It starts with its iteration (`for await`, or `each`), and can be iterated over once. An event counts as handled when the application
 * asks for the next one: after `close` too, but not after `break` or an error. Handled events are acknowledged together; the others come
 * again. The states of the connection are those of EventStream.
 *
 * It holds the consumer from the first `server.state` with an epoch on. A broken connection continues under that epoch. It loses the
 * consumer when the stream or an acknowledgement says so: then it drops what it has received, and connects without an epoch.
 */
export class Consumer implements AsyncIterable<FeedEvent> {
  readonly #feed: Feed
  readonly #acks: Acknowledger
  #hasHeld = false
  /** An acknowledgement said that the epoch is over, and no stream has opened since. */
  #isLost = false
  #failure: SluiceError | undefined

  constructor(
    gateway: Gateway,
    readonly name: string,
    readonly options: ConsumerOptions = {},
  ) {
    const path = pathOf(name)
    this.#acks = new Acknowledger(gateway, `${path}/ack`, options, error => this.#onRefused(error))
    const { takeover } = options
    const query = () => ({
      epoch: this.#acks.session?.epoch,
      takeover: takeover && !this.#hasHeld ? 'true' : undefined,
    })
    this.#feed = new Feed(new ConsumerGateway(gateway, `${path}/events`, query), {
      ...options,
      repeats: true,
      fetch: (url, init) => this.#fetch(options.fetch ?? gateway.options.fetch ?? fetch, url, init),
      reload: options.reload && (notice => this.#reload(notice)),
      onNotice: notice => this.#onNotice(notice),
      onState: state => this.#onState(state),
    })
  }

  /** The event id that was acknowledged last; undefined before the first. */
  get cursor(): string | undefined {
    return this.#acks.cursor
  }

  get state(): StreamState {
    return this.#feed.state
  }

  /** Ends the consumer; the iteration ends without an error when the handled events are acknowledged. Calling it again does nothing. */
  close(): void {
    this.#feed.close()
  }

  /** Ends the current connection or wait, and connects at once. */
  reconnect(): void {
    this.#feed.reconnect()
  }

  /**
   * Calls `handle` with one event after the other, and waits for its promise.
   * @returns when the consumer was closed. @throws HandlerError if `handle` fails; otherwise what the iteration throws: TakenOverError,
   * RefusedError, ProtocolError, or a SluiceError with the code `reset`.
   */
  async each(handle: (event: FeedEvent) => unknown): Promise<void> {
    for await (const event of this) {
      try {
        await handle(event)
      } catch (cause) {
        throw new HandlerError(event, cause)
      }
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FeedEvent, void> {
    try {
      for await (const event of this.#feed) {
        const { session } = this.#acks
        yield event
        this.#acks.handled(event.id, session)
      }
      if (this.#failure) throw this.#failure
    } catch (error) {
      const isHeld = error instanceof RefusedError && error.status === 409
      throw isHeld ? new TakenOverError(error.code, error.message, error) : error
    } finally {
      await this.#acks.close()
    }
  }

  /** The gateway keeps the cursor. For a standby, a conflict is a reason to wait. */
  async #fetch(
    send: typeof fetch,
    url: Parameters<typeof fetch>[0],
    init: RequestInit | undefined,
  ): Promise<Response> {
    const headers = new Headers(init?.headers)
    headers.delete('Last-Event-ID')
    const response = await send(url, { ...init, headers })
    if (response.status !== 409) return response
    this.#acks.lose()
    return this.options.standby
      ? new Response(response.body, { status: 503, headers: response.headers })
      : response
  }

  async #reload(notice: Notice<'reset'>): Promise<void> {
    const { session } = this.#acks
    await this.options.reload?.(notice)
    this.#acks.handled(notice.id, session)
    this.#acks.flush()
  }

  #onNotice(notice: Notice): void {
    if (notice.type === 'server.state') this.#open(notice)
    // The handled events may be of another history.
    if (notice.type === 'reset') this.#acks.forget()
    if (notice.type === 'unavailable') this.#onUnavailable(notice)
    this.options.onNotice?.(notice)
  }

  #onUnavailable({ data: { reason } }: Notice<'unavailable'>): void {
    if (LOST.has(reason)) this.#acks.lose()
    const isTakenOver = reason === 'taken-over' || (reason === 'held' && this.#isLost)
    if (isTakenOver && !this.options.standby)
      throw new TakenOverError('taken-over', `Another client has taken over the consumer ${this.name}.`)
  }

  #open({ data: { consumer } }: Notice<'server.state'>): void {
    if (!consumer) return
    this.#hasHeld = true
    this.#isLost = false
    this.#acks.open(consumer)
  }

  #onState(state: StreamState): void {
    // The next connection may have another epoch.
    if (state.name === 'waiting') this.#acks.flush()
    this.options.onState?.(state)
  }

  /** An acknowledgement was refused. */
  #onRefused(error: SluiceError): void {
    // 410: retention has passed the cursor. The next connection says so, with a `reset`.
    if (error.status !== 409 && error.status !== 410) {
      this.#failure = error
      this.#feed.close()
      return
    }
    this.#isLost = error.code === 'consumer-lost'
    if (this.#isLost) this.#acks.lose()
    else this.#acks.forget()
    this.#feed.reconnect()
  }
}

/** The reasons for which a stream has ended, or has not begun, because the epoch is over. */
const LOST: ReadonlySet<string> = new Set(['held', 'taken-over', 'sought', 'changed', 'consumer-deleted'])

/** The gateway, whose feed is the stream of a consumer. */
class ConsumerGateway extends Gateway {
  override readonly source

  constructor(
    gateway: Gateway,
    readonly path: string,
    readonly query: () => NonNullable<Parameters<Gateway['urlOf']>[1]>,
  ) {
    super(gateway.options)
    this.source = gateway.source
  }

  override urlOf(path: string, query: Parameters<Gateway['urlOf']>[1] = {}): string {
    return path === '/api/events'
      ? super.urlOf(this.path, { ...query, ...this.query() })
      : super.urlOf(path, query)
  }
}

/** The path of a consumer. */
export function pathOf(name: string): string {
  return `/api/consumers/${encodeURIComponent(name)}`
}
