/** Publishes to channels: each is a stream, to which this process appends in order, with one request under way for each. */
import { RefusedError } from '../../errors.js'
import { newKey } from '../../publish.js'
import type { DurableStream } from '../durable-stream.js'
import { StreamWriter } from '../stream-writer.js'
import { messagesOf } from './channel-messages.js'

/** Channels whose writers this process keeps. A listener has a channel of its own, so there are many over time. */
const MAX_KEPT = 1_000
/** Characters of one request, unless a message alone has more. */
const MAX_BODY = 262_144

export class Channels {
  readonly #kept = new Map<string, Channel>()

  constructor(readonly open: (name: string) => Promise<DurableStream>) {}

  /** @returns when the message is stored. Messages that this process publishes to a channel are stored in the order of the calls. */
  async publish(name: string, message: string): Promise<void> {
    const channel = this.#kept.get(name) ?? new Channel(() => this.open(name))
    // The one that was used last is the last in the map.
    this.#kept.delete(name)
    this.#kept.set(name, channel)
    for (const [other, { isIdle }] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT) break
      if (isIdle) this.#kept.delete(other)
    }
    await channel.publish(message)
  }
}

interface Waiting {
  readonly messages: readonly string[]
  readonly length: number
  resolve(): void
  reject(error: unknown): void
}

class Channel {
  #waiting: Waiting[] = []
  #isSending = false
  #writer: StreamWriter | undefined

  constructor(readonly open: () => Promise<DurableStream>) {}

  get isIdle(): boolean {
    return !this.#isSending
  }

  async publish(message: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ messages: messagesOf(message), length: message.length, resolve, reject })
      if (!this.#isSending) void this.#send()
    })
  }

  async #send(): Promise<void> {
    this.#isSending = true
    while (this.#waiting.length > 0) {
      const batch = this.#take()
      const messages = batch.flatMap(({ messages }) => messages)
      try {
        await this.#append(`[${messages.join(',')}]`)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        // With the next message a new writer starts: the number of this append may be used or not.
        this.#writer = undefined
        for (const { reject } of batch) reject(error)
      }
    }
    this.#isSending = false
  }

  /** The first ones, as many as fit into one request. */
  #take(): Waiting[] {
    let count = 0
    let size = 0
    for (const { length } of this.#waiting) {
      size += length
      if (count > 0 && size > MAX_BODY) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #append(body: string): Promise<void> {
    for (let attempts = 1; ; attempts++) {
      this.#writer ??= await this.#start()
      try {
        await this.#writer.append({ body, count: 0, isLast: false })
        return
      } catch (error) {
        // The stream has expired since.
        if (!(error instanceof RefusedError && error.status === 404) || attempts > 1) throw error
        this.#writer = undefined
      }
    }
  }

  async #start(): Promise<StreamWriter> {
    const stream = await this.open()
    await stream.create()
    // Others write to the channel too, so no number of messages is expected.
    return new StreamWriter(stream, newKey(), undefined)
  }
}
