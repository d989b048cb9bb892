/**
 * `sluice-client/ai/resumable-store`: the publisher and the subscriber of `resumable-stream/generic`, on streams of the gateway instead
 * of Redis. Channels and keys are durable streams, so a message that was published reaches its subscribers although a gateway is killed
 * in between; a subscription begins with the next message, as in Redis.
 */
import type { ClientOptions } from '../../client-options.js'
import { Gateway } from '../../requests.js'
import { DurableStream } from '../durable-stream.js'
import { Channels } from './channels.js'
import { Keys } from './keys.js'
import { Subscriptions } from './subscriptions.js'

/** The time for which `resumable-stream` keeps its keys. */
const DAY_SECONDS = 86_400
/** A key or channel that can be part of a stream's name unchanged. */
const PLAIN = /^(?!\.\.?$)[A-Za-z0-9._:-]{1,100}$/

export interface ResumableStoreOptions extends ClientOptions {
  /** The streams have names that begin so, with at most 27 characters. Default `resumable/`. */
  readonly prefix?: string | undefined
  /** Streams that nobody has read or written for this long are deleted. Default: a day. */
  readonly ttlSeconds?: number | undefined
  /** The path of durable streams, as the gateway's `DURABLE_STREAMS_PREFIX` has it. Default `/v1/stream`. */
  readonly path?: string | undefined
  /** A subscription has ended, because the gateway refuses it. Default: `console.error`. */
  onError?: ((error: unknown) => void) | undefined
}

export interface ResumableStore {
  readonly publisher: {
    connect(): Promise<void>
    publish(channel: string, message: string): Promise<number>
    set(key: string, value: string, options?: { readonly EX?: number }): Promise<'OK'>
    get(key: string): Promise<string | null>
    incr(key: string): Promise<number>
  }
  readonly subscriber: {
    connect(): Promise<void>
    subscribe(channel: string, callback: (message: string) => void): Promise<void>
    unsubscribe(channel: string): Promise<void>
  }
}

/** @returns both parts of a store, which share one set of credentials: those of an editor. */
export function createResumableStore(options: ResumableStoreOptions): ResumableStore {
  const { prefix = 'resumable/', ttlSeconds = DAY_SECONDS, path, onError = console.error } = options
  const gateway = new Gateway(options)
  const open = async (name: string) =>
    new DurableStream(gateway, prefix + (PLAIN.test(name) ? name : await digest(name)), {
      ttlSeconds,
      prefix: path,
    })
  const keys = new Keys(open)
  const channels = new Channels(open)
  const subscriptions = new Subscriptions(gateway, open, onError)
  return {
    publisher: {
      async connect() {},
      async publish(channel, message) {
        await channels.publish(channel, message)
        // Nobody knows how many subscribers there are, and `resumable-stream` does not ask.
        return 0
      },
      async set(key, value, { EX } = {}) {
        await keys.set(key, value, EX)
        return 'OK'
      },
      get: async key => await keys.get(key),
      incr: async key => await keys.incr(key),
    },
    subscriber: {
      async connect() {},
      subscribe: async (channel, callback) => await subscriptions.add(channel, callback),
      unsubscribe: async channel => subscriptions.remove(channel),
    },
  }
}

async function digest(name: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(name))
  return `sha256:${Array.from(new Uint8Array(hash), byte => byte.toString(16).padStart(2, '0')).join('')}`
}
