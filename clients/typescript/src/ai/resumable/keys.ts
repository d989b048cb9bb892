/**
 * Values under keys. Each key is a stream, whose last message is the value. A write is an append that names how many messages the key has
 * (`Stream-Seq`), and is refused if there are more by then: so of two callers of `incr` one succeeds, and the other one reads again.
 */
import { RefusedError } from '../../errors.js'
import { newKey } from '../../publish.js'
import type { DurableStream } from '../durable-stream.js'
import { StreamWriter } from '../stream-writer.js'

/** The message of Redis by which `resumable-stream` recognises a stream that has ended. */
const NO_INTEGER = 'ERR value is not an integer or out of range'

interface Value {
  readonly value: string
  /** Milliseconds since 1970; null if it lasts as long as its stream. */
  readonly expires_at: number | null
}

export class Keys {
  constructor(readonly open: (name: string) => Promise<DurableStream>) {}

  /** @param seconds until it expires. */
  async set(key: string, value: string, seconds?: number): Promise<void> {
    const expiresAt = seconds === undefined ? null : Date.now() + seconds * 1_000
    await this.#change(key, () => ({ value, expires_at: expiresAt }))
  }

  /** @returns null if there is none, or if it has expired. */
  async get(key: string): Promise<string | null> {
    return (await read(await this.open(key))).current?.value ?? null
  }

  /** Adds 1, from 0 if there is no value; atomic. @throws if the value is no integer. */
  async incr(key: string): Promise<number> {
    const { value } = await this.#change(key, current => {
      const number = Number(current?.value ?? 0)
      if (!Number.isSafeInteger(number + 1) || current?.value === '') throw new Error(NO_INTEGER)
      return { value: String(number + 1), expires_at: current?.expires_at ?? null }
    })
    return Number(value)
  }

  async #change(key: string, next: (current: Value | undefined) => Value): Promise<Value> {
    const stream = await this.open(key)
    for (;;) {
      const { current, count } = await read(stream)
      const value = next(current)
      if (count === 0) await stream.create()
      const writer = new StreamWriter(stream, newKey(), count)
      const body = JSON.stringify([value])
      if ((await writer.append({ body, count: 1, isLast: false })) === 'stored') return value
    }
  }
}

async function read(stream: DurableStream): Promise<{ current: Value | undefined; count: number }> {
  try {
    const { messages, count } = await stream.read()
    const last = messages.at(-1) as Value | undefined
    const isCurrent = last && (last.expires_at === null || last.expires_at > Date.now())
    return { current: isCurrent ? last : undefined, count }
  } catch (error) {
    if (error instanceof RefusedError && error.status === 404) return { current: undefined, count: 0 }
    throw error
  }
}
