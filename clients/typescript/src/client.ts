/** The client of Sluice: events, jobs, items and publishing of one gateway, with one set of credentials. */
import { CredentialSource, type Credentials } from './credentials.js'
import { Feed } from './feed.js'
import type { FeedOptions } from './feed-options.js'
import { Items } from './items.js'
import { FollowedJob, Jobs } from './jobs.js'
import { type NewEvent, type PublishOptions, publish, type StoredEvent } from './publish.js'
import { Gateway } from './requests.js'

export type { Item, ItemPatch, Job, NewItem, NewJob, NewRevision, Revision } from './catalogue.js'
export type { Credential, Credentials } from './credentials.js'
export type { CursorStore, CursorStores, TransactionStore } from './cursor-store.js'
export { GaveUpError, ProtocolError, RefusedError, SluiceError, UnavailableError } from './errors.js'
export { EventStream } from './event-stream.js'
export { type AnyEvent, type FeedEvent, isRedacted, type JsonObject, type Notice } from './events.js'
export type { Feed } from './feed.js'
export type { FeedOptions } from './feed-options.js'
export type { FollowedJob, JobEnd } from './jobs.js'
export type { Listing, Page } from './listing.js'
export type { NewEvent, PublishOptions, StoredEvent } from './publish.js'
export type { EventStreamOptions, Message, StreamState } from './stream-options.js'

export interface ClientOptions {
  /** The gateway, with the prefix of an application that embeds it: `https://events.example.com`. In a page, '' is its own origin. */
  readonly url: string | URL
  /** A token, an API key or a ticket, or a function that gets one. Default: none. */
  readonly credentials?: Credentials | undefined
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined
  /** Whether requests to another origin carry cookies, which tickets need there. Default false. */
  readonly withCredentials?: boolean | undefined
  /** How often a request is sent, if it is safe to repeat it, before it fails with a GaveUpError. Default 6. */
  readonly attempts?: number | undefined
  /** The delay after the first failure in milliseconds. Default 1000. */
  readonly retry?: number | undefined
  /** The longest delay in milliseconds, unless the server asks for a longer one. Default 30000. */
  readonly max?: number | undefined
  /** How long a request may take in milliseconds; streams are not limited. Default 30000. */
  readonly timeout?: number | undefined
  /** How long before the credentials expire the client gets new ones, in milliseconds. Default 60000. */
  readonly renewBefore?: number | undefined
  /** How long a gateway may take to confirm a renewal on the stream, before the client reconnects. Default 10000 ms. */
  readonly confirmWithin?: number | undefined
}

/** @returns a client, which holds no connection until a feed or a request needs one. */
export function createClient(options: ClientOptions): Client {
  return new Client(options)
}

export class Client {
  readonly gateway: Gateway
  readonly items: Items
  readonly jobs: Jobs

  constructor({ url, credentials, fetch, withCredentials = false, ...options }: ClientOptions) {
    this.gateway = new Gateway({
      url: String(url).replace(/\/$/, ''),
      source: new CredentialSource(credentials, options.renewBefore),
      fetch,
      withCredentials,
      attempts: options.attempts ?? 6,
      retry: options.retry ?? 1_000,
      max: options.max ?? 30_000,
      timeout: options.timeout ?? 30_000,
      confirm: options.confirmWithin ?? 10_000,
    })
    this.items = new Items(this.gateway)
    this.jobs = new Jobs(this.gateway)
  }

  /** Follows the feed of the workspace, or another stream. It connects when its iteration starts. */
  feed<const Terms extends string = string>(options: FeedOptions<Terms> = {}): Feed<Terms> {
    return new Feed(this.gateway, options)
  }

  /** Follows a job: await it for its end, or iterate over its events. Rejects with a RefusedError if there is no such job. */
  job(id: string, options: Omit<FeedOptions, 'stream' | 'types'> = {}): FollowedJob {
    return new FollowedJob(this.gateway, id, options)
  }

  /**
   * Publishes one to 1,000 events, all or none. They are stored when the promise resolves, once, however often it was retried.
   * @returns their places, in the order of `events`.
   */
  async publish(
    events: NewEvent | readonly NewEvent[],
    options: PublishOptions = {},
  ): Promise<readonly StoredEvent[]> {
    return await publish(this.gateway, events, options)
  }
}
