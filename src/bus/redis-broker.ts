/**
 * Redis or Valkey as a broker, by PUBLISH and SUBSCRIBE: two connections, because one that subscribes may not publish. Its client is
 * loaded at the first connection. It neither reconnects nor queues here: broker-session.ts does.
 */
import { readFile } from 'node:fs/promises'
import type { Redis, RedisOptions } from 'iovalkey'
import type { Broker, BrokerConnection, BrokerEvents, BrokerFiles } from './broker.js'

const CONNECT_DEADLINE_MS = 5_000
const DEFAULT_PORT = 6379

export interface RedisBrokerOptions extends BrokerFiles {
  /** `redis://…` or `rediss://…`, with an ACL user and its password, or a password alone. A database number is ignored. */
  readonly url: string
}

export class RedisBroker implements Broker {
  readonly kind = 'redis'
  readonly #options: RedisBrokerOptions

  constructor(options: RedisBrokerOptions) {
    this.#options = options
  }

  async connect(channel: string, events: BrokerEvents, signal: AbortSignal): Promise<BrokerConnection> {
    const { Redis } = await import('iovalkey')
    const options = await this.#clientOptions()
    signal.throwIfAborted()
    const [subscriber, publisher] = [new Redis(options), new Redis(options)]
    const clients = [subscriber, publisher]
    const close = () => {
      for (const client of clients) discard(client)
    }
    for (const client of clients) {
      // The reason of a refusal arrives here alone; its commands say only that the connection has ended.
      client.on('error', events.onLost)
      client.on('end', () => events.onLost(new Error('The connection has ended.')))
    }
    subscriber.on('messageBuffer', (_channel, bytes) => events.onMessage(bytes))
    signal.addEventListener('abort', close)
    try {
      await Promise.all(clients.map(client => client.connect()))
      await subscriber.subscribe(channel)
      signal.throwIfAborted()
    } catch (error) {
      close()
      throw error
    } finally {
      signal.removeEventListener('abort', close)
    }
    return {
      maxBytes: Number.POSITIVE_INFINITY,
      async publish(messages) {
        await Promise.all(
          messages.map(message =>
            publisher.publish(channel, Buffer.from(message.buffer, message.byteOffset, message.length)),
          ),
        )
      },
      async close() {
        close()
      },
    }
  }

  async #clientOptions(): Promise<RedisOptions> {
    const { url, caFile, certFile, keyFile } = this.#options
    const { protocol, hostname, port, username, password } = new URL(url)
    const host = hostname.replace(/^\[|\]$/g, '')
    const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(read))
    const isSecret = protocol === 'rediss:' || (ca ?? cert) !== undefined
    return {
      host,
      port: port === '' ? DEFAULT_PORT : Number(port),
      // 0: IPv4 and IPv6, in the order in which Node tries them.
      family: 0,
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
      ...(isSecret && { tls: { host, ca, cert, key } }),
      lazyConnect: true,
      connectTimeout: CONNECT_DEADLINE_MS,
      retryStrategy: () => null,
      enableOfflineQueue: false,
      // The check sends INFO, which an ACL user that may only publish and subscribe is not allowed.
      enableReadyCheck: false,
    } satisfies RedisOptions
  }
}

async function read(file: string | undefined): Promise<Buffer | undefined> {
  return file === undefined ? undefined : await readFile(file)
}

/** `disconnect` alone leaves the socket of a server that has gone silent open for two seconds. */
function discard(client: Redis): void {
  client.disconnect()
  client.stream?.destroy()
}
