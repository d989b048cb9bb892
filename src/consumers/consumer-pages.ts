/**
 * Pages of the events of consumers, for clients that poll. A page holds its consumer while it is being read, and then as long as
 * something that it handed out is neither acknowledged nor timed out. No process keeps that in memory: the lease in the row ends
 * with the timeout, so the client may request the next page from any node, with the epoch of this one.
 */
import type { Database } from '../database/pool.js'
import type { Hub } from '../hub/hub.js'
import type { Reset } from '../hub/start.js'
import { type Claim, type Consumer, type Epoch, overdueInMs } from './consumer.js'
import { claimConsumers, readConsumer, releaseLeases, renewLeases } from './consumer-rows.js'
import { consumerHeld, consumerLost } from './hold-problem.js'
import { LEASE_MS } from './holds.js'
import { type ConsumerPage, type ConsumerPageRequest, PageReading } from './page-reading.js'

/** Clients that read pages belong to no process. */
const NO_NODE = null

export type ConsumerPageResult =
  | { readonly outcome: 'page'; readonly page: ConsumerPage }
  /** The log does not continue the cursor. An acknowledgement of `reset.head` moves it there. */
  | { readonly outcome: 'reset'; readonly reset: Reset }
  | { readonly outcome: 'not-found' }

export class ConsumerPages {
  readonly #hub: Pick<Hub, 'open' | 'starts' | 'tally'>
  readonly #database: Database

  /** @param database reads the pages; the hub's own is for subscriptions. */
  constructor(hub: Pick<Hub, 'open' | 'starts' | 'tally'>, database: Database) {
    this.#hub = hub
    this.#database = database
  }

  /** @throws {Problem} 409 `consumer-held` or `consumer-lost`. */
  async read(request: ConsumerPageRequest): Promise<ConsumerPageResult> {
    const { workspace, stream } = request.consumer
    const { streams, gone } = request
    const handle = await this.#hub.open(workspace, stream, { streams, gone })
    if (!handle) return { outcome: 'not-found' }
    try {
      // A client that has gone must not take a consumer from its holder.
      gone.throwIfAborted()
      const consumer = await this.#hold(request)
      const database = this.#database
      const reading = new PageReading(this.#hub, database, handle.stream, request, {
        renew: (claim, leaseMs) => this.#renew(claim, leaseMs),
        release: claim => this.#release(claim),
      })
      try {
        const result = await reading.run(consumer)
        return 'reason' in result ? { outcome: 'reset', reset: result } : { outcome: 'page', page: result }
      } catch (error) {
        // The lease expires if the database is away.
        await this.#leave(request.epoch, consumer).catch(() => undefined)
        throw error
      }
    } finally {
      handle.release()
    }
  }

  /**
   * After a page that did not reach its client. Nobody knows the epoch of a claim that this request has made, so the consumer is
   * free at once. If the request brought an epoch, the client may still be working on the events that it got with it, and may send
   * the request again.
   * @param asked the epoch that the request brought.
   */
  async unsent(asked: number | undefined, claim: Claim): Promise<void> {
    if (asked === undefined) await this.#release(claim)
  }

  /**
   * After a page that was not read: the events that the client got before stay in flight until they time out.
   * @param consumer as its row was when the client got the lease.
   */
  async #leave(asked: Epoch | undefined, consumer: Consumer): Promise<void> {
    if (asked === undefined) return await this.#release(consumer)
    const { id, epoch, handed, inFlight } = consumer
    const now = await readConsumer(this.#database, id)
    if (now?.epoch !== epoch || !now.held) return
    const isDone = inFlight === 0 || (handed !== null && now.cursor.position >= handed.position)
    // The request may have noted that nothing is in flight, to hand all of it out again.
    const since = now.inFlight > 0 ? now : consumer
    const leaseMs = now.inFlight === 0 && isDone ? 0 : overdueInMs(since, this.#hub.tally.clockAheadMs)
    // Not released: another request of the client may be getting a page at this moment, which must stay noted.
    await renewLeases(this.#database, NO_NODE, [{ id, epoch }], Math.max(0, leaseMs))
  }

  /** Gives a consumer up: nothing is in flight, or the client did not get the page. */
  #release({ id, epoch }: Claim): Promise<void> {
    return releaseLeases(this.#database, NO_NODE, [{ id, epoch }])
  }

  async #hold({ consumer: { id }, epoch, takeover, holder }: ConsumerPageRequest): Promise<Consumer> {
    if (epoch !== undefined) return await this.#renew({ id, epoch }, LEASE_MS)
    const [claimed] = await claimConsumers(this.#database, {
      ...{ kind: 'pull', node: NO_NODE, holder, ids: [id], leaseMs: LEASE_MS, takeover },
    })
    if (!claimed) throw consumerHeld()
    return claimed
  }

  /** @returns the consumer as its row is now. */
  async #renew({ id, epoch }: Claim, leaseMs: number): Promise<Consumer> {
    const [lost] = await renewLeases(this.#database, NO_NODE, [{ id, epoch }], leaseMs)
    const consumer = lost ? undefined : await readConsumer(this.#database, id)
    if (consumer?.epoch !== epoch) throw consumerLost()
    return consumer
  }
}

/**
 * After an acknowledgement for a client that reads pages: it holds the consumer for another timeout, or no longer if everything
 * that it has got is acknowledged.
 */
export async function prolongPage(database: Database, { id, epoch }: Claim): Promise<void> {
  const consumer = await readConsumer(database, id)
  if (consumer?.epoch !== epoch || consumer.held?.node !== NO_NODE) return
  // Not released: the client may be getting its next page at this moment, which must stay noted.
  await renewLeases(database, NO_NODE, [{ id, epoch }], consumer.inFlight === 0 ? 0 : consumer.ackTimeoutMs)
}
