/** The Sluice layer: a stream of the gateway that is followed without missing an event, across connections, credentials and restarts. */
import type { NoticeTypes } from './catalogue.js'
import type { CursorStore, TransactionStore } from './cursor-store.js'
import { RefusedError, SluiceError } from './errors.js'
import type { Block } from './event-blocks.js'
import { EventStream } from './event-stream.js'
import type { FeedEvent, JsonObject, Notice } from './events.js'
import type { FeedOptions } from './feed-options.js'
import { createRenewal, type Renewal } from './renewal.js'
import { type Gateway, parse } from './requests.js'
import type { StreamState } from './stream-options.js'

/** An application cannot publish an event of such a type. */
const NOTICES: ReadonlySet<string> = new Set<keyof NoticeTypes>([
  'server.state',
  'heartbeat',
  'reset',
  'unavailable',
  'error',
  'cursor',
  'auth-expired',
  'auth-renewed',
  'auth-revoked',
])

/**
 * A feed starts with its iteration (`for await`, or `each`) and can be iterated over once. Leaving the loop closes it. The iteration
 * ends if the stream has ended for good or after `close`, and throws the error that ends the feed otherwise. The states are those of
 * EventStream. An event counts as processed when the application asks for the next one.
 */
export class Feed<Terms extends string = string> implements AsyncIterable<FeedEvent<Terms>> {
  readonly #stream: EventStream
  readonly #renewal: Renewal
  #cursor: string | undefined
  /** The headers of the last attempt. */
  #sent: Record<string, string> = {}
  /** Its credentials were refused, and no connection has been opened with newer ones since. */
  #hasExpired = false
  #hasUsedTicket = false

  constructor(
    readonly gateway: Gateway,
    readonly options: FeedOptions<Terms> = {},
  ) {
    this.#renewal = createRenewal(gateway, () => this.#stream.reconnect())
    this.#stream = new EventStream(() => this.#url(), {
      ...options,
      fetch: options.fetch ?? gateway.options.fetch,
      retry: options.retry ?? gateway.options.retry,
      max: options.max ?? gateway.options.max,
      credentials: gateway.options.withCredentials ? 'include' : undefined,
      onState: state => this.#onState(state),
      headers: async () => {
        this.#sent = await gateway.authorization()
        return this.#sent
      },
      onRefused: ({ status }) => status === 401 && this.#expire(),
    })
  }

  /** The event id up to which the application has every event; undefined before the first connection. */
  get cursor(): string | undefined {
    return this.#cursor
  }

  get state(): StreamState {
    return this.#stream.state
  }

  /** Ends the feed; the iteration ends without an error. Calling it again does nothing. */
  close(): void {
    this.#stream.close()
  }

  /** Ends the current connection or wait, and connects at once with the cursor. */
  reconnect(): void {
    this.#stream.reconnect()
  }

  /**
   * Calls `handle` with one event after the other, and waits for its promise. With a TransactionStore, `handle` gets its transaction,
   * in which the cursor is stored too: then each event has its effect exactly once.
   * @returns when the feed has ended, as the iteration does; it rejects if `handle` does.
   */
  async each(handle: (event: FeedEvent<Terms>) => unknown): Promise<void>
  async each<Transaction>(
    handle: (event: FeedEvent<Terms>, transaction: Transaction) => unknown,
    store: TransactionStore<Transaction> | ((key: string) => TransactionStore<Transaction>),
  ): Promise<void>
  async each<Transaction>(
    handle: (event: FeedEvent<Terms>, transaction?: Transaction) => unknown,
    stores?: TransactionStore<Transaction> | ((key: string) => TransactionStore<Transaction>),
  ): Promise<void> {
    const store = typeof stores === 'function' ? stores(this.#urlOf()) : stores
    if (!store) {
      for await (const event of this) await handle(event)
      return
    }
    let next: FeedEvent<Terms> | undefined
    const cursor: CursorStore = {
      load: () => store.load(),
      async save(id) {
        const event = next
        next = undefined
        await store.transaction(id, async transaction => {
          if (event) await handle(event, transaction)
        })
      },
    }
    // The event is handled where its cursor is saved, which is when the iteration asks for the next one.
    for await (const event of this.#events({ ...this.options, cursor, mode: 'at-least-once' })) next = event
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FeedEvent<Terms>, void> {
    yield* this.#events(this.options)
  }

  async *#events({ cursor, mode, repeats }: FeedOptions<Terms>): AsyncGenerator<FeedEvent<Terms>, void> {
    const store = typeof cursor === 'function' ? cursor(this.#urlOf()) : cursor
    this.#cursor = await store?.load()
    this.#stream.lastEventId = this.#cursor ?? ''
    const isBefore = mode === 'at-most-once'
    for await (const block of this.#stream.blocks()) {
      try {
        this.#renewal.handle(true)
        const message = block.data === undefined ? undefined : this.#read(block, block.data)
        if (message?.notice) await this.#onNotice(message.notice)
        const id = this.#stream.lastEventId
        // The gateway sends no event of a feed twice; a proxy or a fault might.
        const event = block.hasId && id === this.#cursor && !repeats ? undefined : message?.event
        if (isBefore) await this.#advance(id, store)
        if (event) yield event
        if (!isBefore) await this.#advance(id, store)
      } catch (error) {
        if (error instanceof SluiceError) this.#stream.close(error)
        throw error
      } finally {
        this.#renewal.handle(false)
      }
    }
  }

  async #advance(id: string, store: CursorStore | undefined): Promise<void> {
    if (!id || id === this.#cursor) return
    this.#cursor = id
    await store?.save(id)
  }

  #read({ id, event: name }: Block, text: string): { event?: FeedEvent<Terms>; notice?: Notice } {
    const value = parse<JsonObject>(text)
    const isDocument = this.options.envelope && !name
    const type = isDocument ? value.type : name || 'message'
    const message: unknown = { ...(isDocument ? value : { data: value }), id, type, text }
    const isNotice = isDocument ? value.position === undefined : NOTICES.has(String(type))
    // The types follow from the protocol: the gateway holds what it sends to the catalogue.
    return isNotice ? { notice: message as Notice } : { event: message as FeedEvent<Terms> }
  }

  async #onNotice(notice: Notice): Promise<void> {
    // Before the application, which may close the feed.
    if (notice.type === 'server.state' && notice.data.connection) this.#renewal.follow(notice.data.connection)
    this.options.onNotice?.(notice)
    switch (notice.type) {
      case 'auth-renewed':
        return this.#renewal.confirm()
      case 'auth-revoked':
        throw new RefusedError('auth-revoked', 'The credentials have been revoked: log in again.')
      case 'auth-expired':
        // The response ends now.
        if (this.gateway.source.expire(this.#sent.Authorization)) return
        throw new RefusedError(
          'auth-expired',
          'The credentials have expired: give a function that gets new ones.',
        )
      case 'reset':
        return await this.#onReset(notice)
    }
  }

  async #onReset(notice: Notice<'reset'>): Promise<void> {
    const { reload } = this.options
    if (!reload) {
      throw new SluiceError('reset', `Events are missing (${notice.data.reason}): give a reload function.`)
    }
    const head = await reload(notice)
    if (!head || head === notice.id) return
    // The state includes the events up to this head: the open connection would deliver them again.
    this.#stream.lastEventId = head
    this.#stream.reconnect()
  }

  /** Gets new credentials for the next attempt, once until a connection is open. @returns whether it will. */
  #expire(): boolean {
    const isFirst = !this.#hasExpired
    this.#hasExpired = true
    return isFirst && this.gateway.source.expire(this.#sent.Authorization)
  }

  #onState(state: StreamState): void {
    if (state.name === 'open') this.#hasExpired = false
    else this.#renewal.follow(undefined)
    this.options.onState?.(state)
  }

  #urlOf(more?: Readonly<Record<string, string | number | undefined>>): string {
    const { types, where, stream } = this.options
    return this.gateway.urlOf('/api/events', { stream, types: types?.join(','), where, ...more })
  }

  async #url(): Promise<string> {
    const { from, last, envelope } = this.options
    const { source } = this.gateway
    // A used ticket is good for the same browser only.
    if (this.#hasUsedTicket) source.expire(undefined)
    const current = await source.current()
    const ticket = typeof current === 'object' && 'ticket' in current ? current.ticket : undefined
    this.#hasUsedTicket = ticket !== undefined
    return this.#urlOf({ from, last, envelope: envelope ? 'message' : undefined, ticket })
  }
}
