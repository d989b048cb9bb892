/**
 * Group commit. A request is `waiting` from store() until a flush takes it; then it is `in flight` until its outcome is known. One
 * flush is in flight at a time, and the next one takes the requests that have arrived meanwhile: a lone request is committed at
 * once, and under load batches grow by themselves.
 *
 * A flush is one transaction. If its content makes it fail, it is retried in parts, so that a bad request fails alone (one part
 * after another, so that a stream's requests keep their order). If the database is unreachable, all of it fails. Only close()
 * leads to `closed`: waiting requests are refused, requests in flight get their outcome.
 *
 * If the connection or its session ends before the response to a COMMIT arrives, nobody knows whether the requests were stored; the
 * error says so.
 */
import { databaseFault } from '../database/database-fault.js'
import type { Database, Queryable } from '../database/pool.js'
import { mayBeStored } from '../database/unknown-outcome.js'
import { answerLost, overloaded, problemOf, shuttingDown, unreachable } from './publish-problem.js'
import { partsOf } from './retry-parts.js'

/** A request with more events is committed alone. */
const MAX_BATCH_EVENTS = 2_000
const MAX_BATCH_BYTES = 4 * 1024 * 1024
const MAX_WAITING_REQUESTS = 10_000
const MAX_WAITING_BYTES = 32 * 1024 * 1024

interface StreamRequest {
  readonly workspace: string
  readonly stream: string
}

export interface GroupCommitOptions<Request extends StreamRequest, Outcome> {
  readonly database: Database
  /** What a caller does whose request may or may not be stored. */
  readonly retry: string
  sizeOf(request: Request): { readonly events: number; readonly bytes: number }
  /** Stores the requests in one transaction. @returns their outcomes, in their order. */
  commit(client: Queryable, requests: readonly Request[]): Promise<(Outcome | undefined)[]>
  /** Called after each COMMIT, when the requests have their outcomes. Must not throw. @param startedAt of the flush, by performance.now. */
  onStored(requests: readonly Request[], outcomes: readonly (Outcome | undefined)[], startedAt: number): void
}

interface Waiting<Request, Outcome> {
  readonly request: Request
  readonly events: number
  readonly bytes: number
  resolve(outcome: Outcome): void
  reject(reason: unknown): void
}

export class GroupCommit<Request extends StreamRequest, Outcome> {
  readonly #options: GroupCommitOptions<Request, Outcome>
  readonly #waiting = new Set<Waiting<Request, Outcome>>()
  #waitingBytes = 0
  #inFlight: Promise<void> | undefined
  #closed = false

  constructor(options: GroupCommitOptions<Request, Outcome>) {
    this.#options = options
  }

  /**
   * Resolves after COMMIT (I1).
   * @param signal cancels the request while it waits; once it is in flight, it is too late.
   * @throws {Problem} 503 `overloaded`, `stream-busy`, `write-conflict`, `database-unavailable`, `shutting-down`; 400 or 429 for
   *   what the database refuses.
   */
  async store(request: Request, signal?: AbortSignal): Promise<Outcome> {
    const { events, bytes } = this.#options.sizeOf(request)
    signal?.throwIfAborted()
    this.assertRoom(bytes)
    let takeBack = () => {}
    try {
      return await new Promise<Outcome>((resolve, reject) => {
        const waiting: Waiting<Request, Outcome> = { request, events, bytes, resolve, reject }
        this.#waiting.add(waiting)
        this.#waitingBytes += bytes
        takeBack = () => this.#leave(waiting) && reject(signal?.reason)
        signal?.addEventListener('abort', takeBack)
        this.#run()
      })
    } finally {
      signal?.removeEventListener('abort', takeBack)
    }
  }

  /** @throws {Problem} 503 `overloaded`, `shutting-down`. */
  assertRoom(bytes: number): void {
    if (this.#closed) throw shuttingDown()
    const tooMany = this.#waiting.size >= MAX_WAITING_REQUESTS
    // One request is always accepted, however large.
    const tooMuch = this.#waiting.size > 0 && this.#waitingBytes + bytes > MAX_WAITING_BYTES
    if (tooMany || tooMuch) throw overloaded()
  }

  /** Refuses waiting requests, and resolves when the requests in flight have their outcome. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of [...this.#waiting]) {
      this.#leave(waiting)
      waiting.reject(shuttingDown())
    }
    await this.#inFlight
  }

  #leave(waiting: Waiting<Request, Outcome>): boolean {
    const left = this.#waiting.delete(waiting)
    if (left) this.#waitingBytes -= waiting.bytes
    return left
  }

  #run(): void {
    if (this.#inFlight || this.#waiting.size === 0) return
    this.#inFlight = this.#flush(this.#takeBatch()).finally(() => {
      this.#inFlight = undefined
      this.#run()
    })
  }

  #takeBatch(): Waiting<Request, Outcome>[] {
    const batch: Waiting<Request, Outcome>[] = []
    let events = 0
    let bytes = 0
    for (const waiting of this.#waiting) {
      events += waiting.events
      bytes += waiting.bytes
      if (batch.length > 0 && (events > MAX_BATCH_EVENTS || bytes > MAX_BATCH_BYTES)) break
      this.#leave(waiting)
      batch.push(waiting)
    }
    return batch
  }

  /** Settles each request of the batch. Never rejects. */
  async #flush(batch: readonly Waiting<Request, Outcome>[]): Promise<void> {
    const requests = batch.map(waiting => waiting.request)
    const startedAt = performance.now()
    const outcomes = await this.#commit(requests).catch((error: unknown) => ({ error }))
    if ('error' in outcomes) return await this.#retry(batch, outcomes.error)
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined) reject(new Error('The database returned no row for a request.'))
      else resolve(outcome)
    }
    this.#options.onStored(requests, outcomes, startedAt)
  }

  async #retry(batch: readonly Waiting<Request, Outcome>[], error: unknown): Promise<void> {
    const parts = partsOf(batch, error)
    if (parts.length < 2) for (const { reject } of batch) reject(problemOf(error))
    else for (const part of parts) await this.#flush(part)
  }

  async #commit(requests: readonly Request[]): Promise<(Outcome | undefined)[]> {
    const { database, commit, retry } = this.#options
    const client = await database.connect().catch(error => {
      throw unreachable(error)
    })
    let broken = false
    try {
      return await commit(client, requests)
    } catch (error) {
      const isUnknown = mayBeStored(error)
      broken = isUnknown || (databaseFault(error)?.discard ?? false)
      throw isUnknown ? answerLost(error, retry) : error
    } finally {
      client.release(broken)
    }
  }
}
