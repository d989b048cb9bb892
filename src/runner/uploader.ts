/**
 * Sends the events of one job to the gateway, in order, in batches: one request at a time, while the next batch
 * accumulates. It holds a bounded number of bytes: a writer that exceeds it gets a promise to wait for.
 *
 *   open ── a batch is refused for good ──▶ closed: held events are dropped, waiting writers continue
 *
 * A batch keeps its key and its bytes however often it is sent, so the gateway stores it once.
 */
import { randomUUID } from 'node:crypto'

/** Half the number of events that the gateway accepts in one request. */
const BATCH_EVENTS = 500
const BATCH_BYTES = 128 * 1024
/** The time for which the first event of a batch waits for others. */
const BATCH_MS = 50
/** The maximum of held bytes, plus one chunk of output. */
const BUFFER_BYTES = 1024 * 1024

export interface Batch {
  /** A JSON array of events. */
  readonly body: string
  /** The idempotency key. */
  readonly key: string
}

export interface UploaderOptions {
  /** Resolves when the batch is stored; rejects only if it never will be. */
  send(batch: Batch): Promise<void>
  /** The batch was refused for good; nothing further will be sent. */
  onRefused(error: unknown): void
}

export class Uploader {
  readonly #options: UploaderOptions
  #events: { json: string; bytes: number }[] = []
  #bytes = 0
  #sending = false
  #closed = false
  /** The arrival of the oldest event that is not in a request, by performance.now(). */
  #oldestAt = 0
  /** Ends the wait for further events. */
  #hurry = () => {}
  #room: PromiseWithResolver | undefined
  #idle: PromiseWithResolver | undefined

  constructor(options: UploaderOptions) {
    this.#options = options
  }

  /**
   * Accepts events, in the order in which they are to be stored.
   * @returns a promise to wait for before the next write, if too much is held.
   */
  write(events: readonly { type: string; data: object }[]): Promise<void> | undefined {
    if (this.#closed || events.length === 0) return undefined
    if (this.#events.length === 0) this.#oldestAt = performance.now()
    for (const event of events) {
      const json = JSON.stringify(event)
      const bytes = Buffer.byteLength(json) + 1
      this.#events.push({ json, bytes })
      this.#bytes += bytes
    }
    if (this.#isFull()) this.#hurry()
    if (!this.#sending) void this.#sendAll()
    if (this.#bytes <= BUFFER_BYTES) return undefined
    this.#room ??= promiseWithResolver()
    return this.#room.promise
  }

  /** Resolves when everything written is stored, or when nothing further will be. */
  async flush(): Promise<void> {
    if (!this.#sending) return
    this.#hurry()
    this.#idle ??= promiseWithResolver()
    await this.#idle.promise
  }

  async #sendAll(): Promise<void> {
    this.#sending = true
    try {
      while (this.#events.length > 0) {
        await this.#gather()
        await this.#options.send(this.#take())
        if (this.#bytes <= BUFFER_BYTES / 2) this.#makeRoom()
      }
    } catch (error) {
      this.#closed = true
      this.#events = []
      this.#makeRoom()
      this.#options.onRefused(error)
    }
    this.#sending = false
    this.#idle?.resolve()
    this.#idle = undefined
  }

  #isFull(): boolean {
    return this.#events.length >= BATCH_EVENTS || this.#bytes >= BATCH_BYTES
  }

  async #gather(): Promise<void> {
    const left = this.#oldestAt + BATCH_MS - performance.now()
    if (left <= 0 || this.#isFull()) return
    await new Promise<void>(resolve => {
      const late = setTimeout(resolve, left)
      this.#hurry = () => {
        clearTimeout(late)
        resolve()
      }
    })
  }

  #take(): Batch {
    let [count, bytes] = [0, 0]
    for (const event of this.#events) {
      if (count > 0 && (count === BATCH_EVENTS || bytes + event.bytes > BATCH_BYTES)) break
      count += 1
      bytes += event.bytes
    }
    this.#bytes -= bytes
    const batch = this.#events.splice(0, count)
    return { body: `[${batch.map(({ json }) => json).join(',')}]`, key: randomUUID() }
  }

  #makeRoom(): void {
    this.#room?.resolve()
    this.#room = undefined
  }
}

interface PromiseWithResolver {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

function promiseWithResolver(): PromiseWithResolver {
  let resolve = () => {}
  const promise = new Promise<void>(settle => {
    resolve = settle
  })
  return { promise, resolve }
}
