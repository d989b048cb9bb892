/** Consumers: named cursors on streams, which the gateway keeps. `Consumer` follows one. */
import type { Client } from '../client.js'
import { Listing } from '../listing.js'
import type { Gateway } from '../requests.js'
import { Consumer, pathOf } from './consumer.js'
import type { ConsumerOptions } from './consumer-options.js'

export { Consumer } from './consumer.js'
export { HandlerError, TakenOverError } from './consumer-errors.js'
export type { ConsumerOptions } from './consumer-options.js'

/** How far a consumer is behind its stream. */
export interface Lag {
  readonly events: number
  readonly seconds: number
}

/** A consumer as the gateway stores it. Times are RFC 3339. */
export interface ConsumerDocument {
  readonly name: string
  readonly stream: string
  readonly types: string | null
  readonly where: string | null
  readonly description: string | null
  readonly ack_timeout_ms: number
  readonly max_in_flight: number
  /** The event id up to which everything is acknowledged. */
  readonly cursor: string
  readonly lag: Lag
  /** Events that were handed out and are not acknowledged. */
  readonly in_flight: number
  readonly last_ack_at: string | null
  readonly lagging: boolean
  readonly holder: {
    readonly principal: string | null
    readonly since: string
    readonly epoch: number
    readonly expires_at: string
  } | null
  readonly created_at: string
  readonly created_by: string
}

export interface ConsumerSettings {
  /** Default: the feed. It cannot be changed later. */
  readonly stream?: string | undefined
  /** Types, or prefixes that end in `*`. Default: all. */
  readonly types?: readonly string[] | undefined
  /** A condition on the data (docs/protocol.md, Filters). */
  readonly where?: string | undefined
  /** Where a new consumer starts: `now` (default), `beginning`, an event id, or a time (RFC 3339). */
  readonly start?: string | undefined
  /** After this many milliseconds without progress, the gateway hands out again what is not acknowledged. Default 30000. */
  readonly ack_timeout_ms?: number | undefined
  /** How many events may be handed out and not acknowledged. Default 256. */
  readonly max_in_flight?: number | undefined
  readonly description?: string | undefined
}

interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export class Consumers {
  readonly gateway: Gateway

  constructor({ gateway }: Pick<Client, 'gateway'>) {
    this.gateway = gateway
  }

  /** Creates a consumer, or gives an existing one these settings: one that is missing gets its default. To repeat it is safe. */
  async put(
    name: string,
    { types, ...settings }: ConsumerSettings = {},
    { signal }: CallOptions = {},
  ): Promise<ConsumerDocument> {
    const body = { ...settings, types: types?.join(',') }
    return await this.#call('PUT', pathOf(name), { body, signal })
  }

  /** The consumers, by name. */
  list({
    limit,
    signal,
  }: CallOptions & { readonly limit?: number | undefined } = {}): Listing<ConsumerDocument> {
    return new Listing(this.gateway, '/api/consumers', 'consumers', { limit }, signal)
  }

  async get(name: string, { signal }: CallOptions = {}): Promise<ConsumerDocument> {
    return await this.#call('GET', pathOf(name), { signal })
  }

  /**
   * Moves the cursor; a client that follows the consumer continues there.
   * @param to `now`, `beginning`, an event id, or a time (RFC 3339).
   */
  async seek(name: string, to: string, { signal }: CallOptions = {}): Promise<ConsumerDocument> {
    return await this.#call('POST', `${pathOf(name)}/seek`, { body: { to }, signal })
  }

  /** Acknowledges all events up to this one. A followed consumer does so by itself. @param epoch that of the holder. */
  async acknowledge(
    name: string,
    id: string,
    { epoch, signal }: CallOptions & { readonly epoch?: number | undefined } = {},
  ): Promise<{ readonly cursor: string; readonly lag: Lag }> {
    return await this.#call('POST', `${pathOf(name)}/ack`, { body: { id, epoch }, signal })
  }

  async delete(name: string, { signal }: CallOptions = {}): Promise<void> {
    await this.gateway.request('DELETE', pathOf(name), { signal })
  }

  /** Follows a consumer that exists. It connects when its iteration starts. */
  follow(name: string, options: ConsumerOptions = {}): Consumer {
    return new Consumer(this.gateway, name, options)
  }

  /** All of these requests may be repeated: a second one sets the same values again. */
  async #call<T>(
    method: string,
    path: string,
    options: CallOptions & { readonly body?: unknown },
  ): Promise<T> {
    return (await this.gateway.request<T>(method, path, { ...options, isRepeatable: true })).body
  }
}
