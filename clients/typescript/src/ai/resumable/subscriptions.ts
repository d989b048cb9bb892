/** The subscriptions of this process to channels: each follows the stream of its channel. */
import { Feed } from '../../feed.js'
import type { Gateway } from '../../requests.js'
import type { DurableStream } from '../durable-stream.js'
import { messageReader } from './channel-messages.js'

export class Subscriptions {
  readonly #feeds = new Map<string, Set<Feed>>()

  constructor(
    readonly gateway: Gateway,
    readonly open: (name: string) => Promise<DurableStream>,
    readonly onError: (error: unknown) => void,
  ) {}

  /** @returns when every message that is published from now on arrives. @throws if the gateway refuses it. */
  async add(channel: string, callback: (message: string) => void): Promise<void> {
    const stream = await this.open(channel)
    await stream.create()
    await new Promise<void>((resolve, reject) => {
      let isOpen = false
      const feed = new Feed<string>(this.gateway, {
        stream: stream.name,
        types: ['chunk'],
        from: 'now',
        retry: 50,
        max: 2_000,
        reload: () => undefined,
        onNotice({ type }) {
          if (type !== 'server.state') return
          isOpen = true
          resolve()
        },
      })
      const feeds = this.#feeds.get(channel) ?? new Set()
      this.#feeds.set(channel, feeds.add(feed))
      void deliver(feed, callback)
        .catch(error => (isOpen ? this.onError(error) : reject(error)))
        .finally(() => {
          feeds.delete(feed)
          if (feeds.size === 0 && this.#feeds.get(channel) === feeds) this.#feeds.delete(channel)
          // The subscription was removed before it was open.
          resolve()
        })
    })
  }

  remove(channel: string): void {
    for (const feed of this.#feeds.get(channel) ?? []) feed.close()
  }
}

async function deliver(feed: Feed, callback: (message: string) => void): Promise<void> {
  const read = messageReader()
  for await (const { data } of feed) {
    const message = read(Reflect.get(data, 'json'))
    if (message !== undefined) callback(message)
  }
}
