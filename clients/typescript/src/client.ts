/** The client of Sluice: events, jobs, items and publishing of one gateway, with one set of credentials. */
import type { ClientOptions } from './client-options.js'
import { Feed } from './feed.js'
import type { FeedOptions } from './feed-options.js'
import { Items } from './items.js'
import { FollowedJob, Jobs } from './jobs.js'
import { type NewEvent, type PublishOptions, publish, type StoredEvent } from './publish.js'
import { Gateway } from './requests.js'

export type { Item, ItemPatch, Job, NewItem, NewJob, NewRevision, Revision } from './catalogue.js'
export type { ClientOptions } from './client-options.js'
export type { Credential, Credentials } from './credentials.js'
export type { CursorStore, CursorStores, TransactionStore } from './cursor-store.js'
export { GaveUpError, ProtocolError, RefusedError, SluiceError, UnavailableError } from './errors.js'
export { EventStream } from './event-stream.js'
export { type AnyEvent, type FeedEvent, isRedacted, type JsonObject, type Notice } from './events.js'
export { Feed } from './feed.js'
export type { FeedOptions } from './feed-options.js'
export type { FollowedJob, JobEnd } from './jobs.js'
export type { Listing, Page } from './listing.js'
export type { NewEvent, PublishOptions, StoredEvent } from './publish.js'
export { Gateway } from './requests.js'
export type { EventStreamOptions, Message, StreamState } from './stream-options.js'

/** @returns a client, which holds no connection until a feed or a request needs one. */
export function createClient(options: ClientOptions): Client {
  return new Client(options)
}

export class Client {
  readonly gateway: Gateway
  readonly items: Items
  readonly jobs: Jobs

  constructor(options: ClientOptions) {
    this.gateway = new Gateway(options)
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
