import type { Database } from '../database/pool.js'
import { Distribution } from '../metrics/distribution.js'
import type { EventTracing } from '../tracing/event-tracing.js'
import type { AppendRequest, Outcome, PlacedEvent } from './append-request.js'
import { appendRequests, committedBy } from './append-requests.js'
import type { Committed } from './committed.js'
import { charactersIn } from './event.js'
import { GroupCommit } from './group-commit.js'
import { appendAfterHead } from './publish-after-head.js'
import { problemOf, refusal } from './publish-problem.js'
import { type PublishRequest, prepare } from './publish-request.js'

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

/**
 * Publishes by group commit (group-commit.ts). If the answer to a COMMIT is lost, an idempotency key makes the retry safe.
 */
export class Publisher {
  /** For the metrics: how long publishes, and the commits that they share, have taken. */
  readonly tally = { publish: new Distribution(), commit: new Distribution() }
  readonly #options: PublisherOptions
  readonly #group: GroupCommit<AppendRequest, Outcome>

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#group = new GroupCommit({
      database: options.database,
      retry: 'Retry with an Idempotency-Key, so that they are not stored twice.',
      sizeOf: ({ events }) => ({ events: events.length, bytes: charactersIn(events) }),
      commit: appendRequests,
      onStored: (requests, outcomes, startedAt) => {
        this.tally.commit.observe((performance.now() - startedAt) / 1_000)
        this.#stored(requests, outcomes, startedAt)
      },
    })
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

  /** Refuses waiting requests, and resolves when the requests in flight have their outcome. */
  close(): Promise<void> {
    return this.#group.close()
  }

  async #storeAfter(head: string, request: AppendRequest): Promise<Receipt> {
    this.#group.assertRoom(0)
    const startedAt = performance.now()
    const outcome = await appendAfterHead(this.#options.database, request, head).catch(error => {
      throw problemOf(error)
    })
    if (!outcome) throw new Error('sluice.append_requests returned no row for a request.')
    this.#stored([request], [outcome], startedAt)
    return receiptOf(outcome)
  }

  async #store(prepared: AppendRequest, signal: AbortSignal | undefined): Promise<Receipt> {
    const startedAt = performance.now()
    const receipt = receiptOf(await this.#group.store(prepared, signal))
    this.tally.publish.observe((performance.now() - startedAt) / 1_000)
    return receipt
  }

  #stored(
    requests: readonly AppendRequest[],
    outcomes: readonly (Outcome | undefined)[],
    startedAt: number,
  ): void {
    const { tracing, onCommitted } = this.#options
    tracing?.step(
      'append',
      requests.flatMap(({ events }) => events),
      startedAt,
    )
    const committed = committedBy(requests, outcomes)
    if (committed.length > 0) onCommitted(committed)
  }
}

function receiptOf(outcome: Outcome): Receipt {
  if (outcome.refused !== null) throw refusal(outcome.refused)
  return { replayed: outcome.replayed, events: outcome.events }
}
