/**
 * Group commit. A request is `waiting` from store() until a flush takes it; then it is `in flight` until its outcome is known. One
 * flush is in flight at a time, and the next one takes the requests that have arrived meanwhile: a lone request is committed at
 * once, and under load batches grow by themselves.
 *
 * A flush without an outcome after 3 s is `stalled`: its backend may be frozen, and then it ends only with the deadline of the
 * connection. Meanwhile one other flush at a time passes it, on another connection, with requests for other streams. Those for its
 * streams are `held` until it has ended, so that a stream's requests keep their order.
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
import type { Problem } from '../problems/problem.js'
import { answerLost, overloaded, problemOf, shuttingDown, unreachable } from './publish-problem.js'
import { partsOf } from './retry-parts.js'

/** A request with more events is committed alone. */
const MAX_BATCH_EVENTS = 2_000
const MAX_BATCH_BYTES = 4 * 1024 * 1024
const MAX_WAITING_REQUESTS = 10_000
const MAX_WAITING_BYTES = 32 * 1024 * 1024
/** Longer than a statement waits for a locked stream (2 s). */
const STALLED_MS = 3_000
/** If the database stands still, so that each flush stalls, the others keep their connections. */
const MAX_FLUSHES = 2

interface StreamRequest {
  readonly workspace: string
  readonly stream: string
}

export interface GroupCommitOptions<Request extends StreamRequest, Outcome> {
  readonly database: Database
  /** The remedy for a caller whose request may or may not be stored. */
  readonly retry: string
  sizeOf(request: Request): { readonly events: number; readonly bytes: number }
  /** Stores the requests in one transaction. @returns their outcomes, in their order. */
  commit(client: Queryable, requests: readonly Request[]): Promise<(Outcome | undefined)[]>
  /** Called after each COMMIT, when the requests have their outcomes. Must not throw. @param startedAt of the flush, by performance.now. */
  onStored(requests: readonly Request[], outcomes: readonly (Outcome | undefined)[], startedAt: number): void
}

interface Waiting<Request, Outcome> {
  readonly request: Request
  /** Workspace and stream. */
  readonly target: string
  readonly events: number
  readonly bytes: number
  resolve(outcome: Outcome): void
  reject(reason: unknown): void
}

interface Flush<Request, Outcome> {
  /** The streams of its requests. */
  readonly targets: ReadonlySet<string>
  readonly held: Set<Waiting<Request, Outcome>>
  isStalled: boolean
  ended: Promise<void>
}

export class GroupCommit<Request extends StreamRequest, Outcome> {
  readonly #options: GroupCommitOptions<Request, Outcome>
  #waiting = new Set<Waiting<Request, Outcome>>()
  /** Bytes of these requests and of the held ones. */
  #waitingBytes = 0
  readonly #inFlight = new Set<Flush<Request, Outcome>>()
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
        const target = `${request.workspace} ${request.stream}`
        const waiting: Waiting<Request, Outcome> = { request, target, events, bytes, resolve, reject }
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
    // A stream whose flush is stalled must not take the room of the others.
    if (!this.#hasRoom(bytes)) for (const held of this.#held()) this.#refuse(held, overloaded())
    if (!this.#hasRoom(bytes)) throw overloaded()
  }

  #hasRoom(bytes: number): boolean {
    let requests = this.#waiting.size
    for (const { held } of this.#inFlight) requests += held.size
    // One request is always accepted, however large.
    if (requests === 0) return true
    return requests < MAX_WAITING_REQUESTS && this.#waitingBytes + bytes <= MAX_WAITING_BYTES
  }

  /** Refuses waiting requests, and resolves when the requests in flight have their outcome. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of [...this.#held(), ...this.#waiting]) this.#refuse(waiting, shuttingDown())
    await Promise.all([...this.#inFlight].map(({ ended }) => ended))
  }

  #held(): Waiting<Request, Outcome>[] {
    return [...this.#inFlight].flatMap(({ held }) => [...held])
  }

  #refuse(waiting: Waiting<Request, Outcome>, problem: Problem): void {
    this.#leave(waiting)
    waiting.reject(problem)
  }

  #leave(waiting: Waiting<Request, Outcome>): boolean {
    const left = this.#waiting.delete(waiting) || [...this.#inFlight].some(({ held }) => held.delete(waiting))
    if (left) this.#waitingBytes -= waiting.bytes
    return left
  }

  #run(): void {
    if (this.#inFlight.size === MAX_FLUSHES) return
    for (const { isStalled } of this.#inFlight) if (!isStalled) return
    const batch = this.#takeBatch()
    if (batch.length > 0) this.#start(batch)
  }

  #start(batch: readonly Waiting<Request, Outcome>[]): void {
    const flush: Flush<Request, Outcome> = {
      targets: new Set(batch.map(({ target }) => target)),
      held: new Set(),
      isStalled: false,
      ended: Promise.resolve(),
    }
    const alarm = setTimeout(() => {
      flush.isStalled = true
      this.#run()
    }, STALLED_MS)
    this.#inFlight.add(flush)
    flush.ended = this.#flush(batch).finally(() => {
      clearTimeout(alarm)
      this.#inFlight.delete(flush)
      // They arrived before what waits for their streams.
      if (flush.held.size > 0) this.#waiting = new Set([...flush.held, ...this.#waiting])
      this.#run()
    })
  }

  #takeBatch(): Waiting<Request, Outcome>[] {
    const batch: Waiting<Request, Outcome>[] = []
    let events = 0
    let bytes = 0
    for (const waiting of this.#waiting) {
      const holder = this.#holderOf(waiting)
      if (holder) {
        this.#waiting.delete(waiting)
        holder.held.add(waiting)
        continue
      }
      events += waiting.events
      bytes += waiting.bytes
      if (batch.length > 0 && (events > MAX_BATCH_EVENTS || bytes > MAX_BATCH_BYTES)) break
      this.#leave(waiting)
      batch.push(waiting)
    }
    return batch
  }

  /** The stalled flush with a request for the same stream, if there is one. */
  #holderOf({ target }: Waiting<Request, Outcome>): Flush<Request, Outcome> | undefined {
    for (const flush of this.#inFlight) if (flush.targets.has(target)) return flush
    return undefined
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
