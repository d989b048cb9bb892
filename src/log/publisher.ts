import { databaseFault } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import { Distribution } from '../metrics/distribution.js'
import type { EventTracing } from '../tracing/event-tracing.js'
import {
  type AppendRequest,
  appendRequests,
  committedBy,
  type Outcome,
  type PlacedEvent,
} from './append-requests.js'
import type { Committed } from './committed.js'
import { charactersIn } from './event.js'
import { appendAfterHead } from './publish-after-head.js'
import { answerLost, overloaded, problemOf, refusal, shuttingDown, unreachable } from './publish-problem.js'
import { type PublishRequest, prepare } from './publish-request.js'
import { partsOf } from './retry-parts.js'

/** A request with more events is committed alone. */
const MAX_BATCH_EVENTS = 2_000
const MAX_BATCH_BYTES = 4 * 1024 * 1024
const MAX_WAITING_REQUESTS = 10_000
const MAX_WAITING_BYTES = 32 * 1024 * 1024

export interface Receipt {
  /** Whether an earlier request with the same key stored these events. */
  readonly replayed: boolean
  /** One per event of the request, in order. */
  readonly events: readonly PlacedEvent[]
}

export interface PublisherOptions {
  readonly database: Database
  /** Called after each COMMIT with the events that were stored, once per stream. Must not throw. */
  onCommitted(committed: readonly Committed[]): void
  /** Undefined: the process takes part in no traces. */
  readonly tracing?: EventTracing | undefined
}

interface Waiting {
  readonly request: AppendRequest
  readonly bytes: number
  resolve(receipt: Receipt): void
  reject(reason: unknown): void
}

/**
 * Publishes by group commit. A request is `waiting` from publish() until a flush takes it; then it is `in flight`
 * until its outcome is known. One flush is in flight at a time, and the next one takes the requests that have arrived
 * meanwhile: a lone request is committed at once, and under load batches grow by themselves.
 *
 * A flush is one transaction. If its content makes it fail, it is retried in parts, so that a bad request fails alone
 * (one part after another, so that a stream's requests keep their order). If the database is unreachable, all of it
 * fails. Only close() leads to `closed`: waiting requests are refused, requests in flight get their outcome.
 *
 * publish() resolves after COMMIT (I1). If the connection breaks before the response to a COMMIT arrives, nobody
 * knows whether the events were stored; the error says so, and an idempotency key makes the retry safe.
 */
export class Publisher {
  /** For the metrics: how long publishes, and the commits that they share, have taken. */
  readonly tally = { publish: new Distribution(), commit: new Distribution() }
  readonly #options: PublisherOptions
  readonly #waiting = new Set<Waiting>()
  #waitingBytes = 0
  #inFlight: Promise<void> | undefined
  #closed = false

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /**
   * Resolves when the events are stored.
   * @param signal cancels the request while it waits; once it is in flight, it is too late.
   * @throws {Problem} 400 or 413 for events that may not be stored, 409 `stream-closed`, 422
   *   `idempotency-key-reused`, 503 `overloaded`, `stream-busy`, `write-conflict`, `database-unavailable`,
   *   `shutting-down`.
   */
  async publish(request: PublishRequest, signal?: AbortSignal): Promise<Receipt> {
    // In a separate call, so that nothing here keeps the given events in memory: as objects, data takes up to twenty
    // times the memory of its text.
    if (request.expectedHead !== undefined) return this.#storeAfter(request.expectedHead, prepare(request))
    return this.#store(prepare(request), signal)
  }

  async #storeAfter(head: string, request: AppendRequest): Promise<Receipt> {
    this.#assertRoom(0)
    const startedAt = performance.now()
    const outcome = await appendAfterHead(this.#options.database, request, head).catch(error => {
      throw problemOf(error)
    })
    this.#trace([request], startedAt)
    if (outcome) this.#announce([request], [outcome])
    return new Promise((resolve, reject) => answer({ resolve, reject }, outcome))
  }

  async #store(prepared: AppendRequest, signal: AbortSignal | undefined): Promise<Receipt> {
    const bytes = charactersIn(prepared.events)
    signal?.throwIfAborted()
    this.#assertRoom(bytes)
    const startedAt = performance.now()
    let takeBack = () => {}
    try {
      const receipt = await new Promise<Receipt>((resolve, reject) => {
        const waiting: Waiting = { request: prepared, bytes, resolve, reject }
        this.#waiting.add(waiting)
        this.#waitingBytes += bytes
        takeBack = () => this.#leave(waiting) && reject(signal?.reason)
        signal?.addEventListener('abort', takeBack)
        this.#run()
      })
      this.tally.publish.observe((performance.now() - startedAt) / 1_000)
      return receipt
    } finally {
      signal?.removeEventListener('abort', takeBack)
    }
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

  #assertRoom(bytes: number): void {
    if (this.#closed) throw shuttingDown()
    const tooMany = this.#waiting.size >= MAX_WAITING_REQUESTS
    // One request is always accepted, however large.
    const tooMuch = this.#waiting.size > 0 && this.#waitingBytes + bytes > MAX_WAITING_BYTES
    if (tooMany || tooMuch) throw overloaded()
  }

  #leave(waiting: Waiting): boolean {
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

  #takeBatch(): Waiting[] {
    const batch: Waiting[] = []
    let events = 0
    let bytes = 0
    for (const waiting of this.#waiting) {
      events += waiting.request.events.length
      bytes += waiting.bytes
      if (batch.length > 0 && (events > MAX_BATCH_EVENTS || bytes > MAX_BATCH_BYTES)) break
      this.#leave(waiting)
      batch.push(waiting)
    }
    return batch
  }

  /** Settles each request of the batch. Never rejects. */
  async #flush(batch: readonly Waiting[]): Promise<void> {
    const requests = batch.map(waiting => waiting.request)
    const startedAt = performance.now()
    const outcomes = await commit(this.#options.database, requests).catch((error: unknown) => ({ error }))
    if ('error' in outcomes) return await this.#retry(batch, outcomes.error)
    this.tally.commit.observe((performance.now() - startedAt) / 1_000)
    this.#trace(requests, startedAt)
    for (const [index, waiting] of batch.entries()) answer(waiting, outcomes[index])
    this.#announce(requests, outcomes)
  }

  async #retry(batch: readonly Waiting[], error: unknown): Promise<void> {
    const parts = partsOf(batch, error)
    if (parts.length < 2) for (const { reject } of batch) reject(problemOf(error))
    else for (const part of parts) await this.#flush(part)
  }

  #trace(requests: readonly AppendRequest[], startedAt: number): void {
    this.#options.tracing?.step(
      'append',
      requests.flatMap(({ events }) => events),
      startedAt,
    )
  }

  #announce(requests: readonly AppendRequest[], outcomes: readonly (Outcome | undefined)[]): void {
    const committed = committedBy(requests, outcomes)
    if (committed.length > 0) this.#options.onCommitted(committed)
  }
}

async function commit(
  database: Database,
  requests: readonly AppendRequest[],
): Promise<(Outcome | undefined)[]> {
  const client = await database.connect().catch(error => {
    throw unreachable(error)
  })
  let broken = false
  try {
    return await appendRequests(client, requests)
  } catch (error) {
    const fault = databaseFault(error)
    broken = fault?.discard ?? false
    throw fault?.name === 'away' ? answerLost(error) : error
  } finally {
    client.release(broken)
  }
}

function answer(
  { resolve, reject }: Pick<Waiting, 'resolve' | 'reject'>,
  outcome: Outcome | undefined,
): void {
  if (!outcome) reject(new Error('sluice.append_requests returned no row for a request.'))
  else if (outcome.refused !== null) reject(refusal(outcome.refused))
  else resolve({ replayed: outcome.replayed, events: outcome.events })
}
