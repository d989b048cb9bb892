/**
 * The endpoints that this process holds, and its leases on them. Every turn, which is every second, it renews the leases when a
 * third of their time has passed, looks for changes, gives back what is beyond its share, and claims what is free up to its share.
 */
import type { ConsumerId } from '../../consumers/consumer.js'
import type { Logger } from '../../logging/logger.js'
import type { ClaimedEndpoint, DeliveryRows } from './delivery-rows.js'
import type { DeliveryTally } from './delivery-tally.js'
import type { HeldEndpoint } from './held-endpoint.js'

/** A lease counts as lost this share of its duration before its end, because the process may be busy. */
const MARGIN = 0.1
/** Endpoints that one turn claims at most. */
const MOST_CLAIMED = 500

export interface EndpointLeasesOptions {
  readonly node: string
  readonly rows: DeliveryRows
  readonly logger: Logger
  readonly tally: DeliveryTally
  readonly leaseMs: number
  open(claimed: ClaimedEndpoint, leaseUntil: number): HeldEndpoint
  /** Resolves when everything that was noted is stored. Rejects if that takes too long. */
  stored(): Promise<void>
}

export class EndpointLeases {
  readonly #options: EndpointLeasesOptions
  readonly #held = new Map<string, HeldEndpoint>()
  #renewedAt = 0
  /** Whether something of lost endpoints may wait to be stored: it would be refused after the next claim. */
  #lostSome = false

  constructor(options: EndpointLeasesOptions) {
    this.#options = options
  }

  get held(): Iterable<HeldEndpoint> {
    return this.#held.values()
  }

  get size(): number {
    return this.#held.size
  }

  async turn(): Promise<void> {
    await this.#renew()
    await this.#lookForChanges()
    const share = await this.#share()
    const own = [...this.#held.values()].filter(({ isEnding }) => !isEnding)
    const surplus = own
      .sort((one, other) => Number(other.isIdle) - Number(one.isIdle))
      .slice(0, Math.max(0, own.length - share))
    for (const endpoint of surplus) void this.giveBack(endpoint)
    if (own.length < share) await this.#claim(share - own.length)
  }

  /** Treats leases that end soon as lost. Does not ask the database. */
  watch(): void {
    const margin = this.#options.leaseMs * MARGIN
    for (const endpoint of [...this.#held.values()])
      if (performance.now() > endpoint.leaseUntil - margin) this.#lose(endpoint)
  }

  /** Treats these endpoints as lost: they are gone, they have other epochs by now, or their changes cannot be stored. */
  refused(ids: readonly string[]): void {
    for (const id of ids) this.#lose(this.#held.get(id))
  }

  /** Gives back an endpoint that an attempt has stopped. */
  giveBackId(id: ConsumerId): void {
    const endpoint = this.#held.get(id)
    if (endpoint) void this.giveBack(endpoint)
  }

  /** Begins no further delivery for it, stores what is noted, and ends the lease. */
  async giveBack(endpoint: HeldEndpoint): Promise<void> {
    const { rows, node, stored } = this.#options
    await endpoint.close()
    if (this.#held.get(endpoint.claimed.id) !== endpoint) return
    await stored()
      .then(() => rows.release(node, [endpoint.claimed]))
      // The lease expires.
      .catch(() => undefined)
    this.#forget(endpoint)
  }

  /** Gives back all endpoints. @param over aborts the requests that are still under way. */
  async giveBackAll(over: AbortSignal): Promise<void> {
    const { rows, node, stored } = this.#options
    const all = [...this.#held.values()]
    const cut = () => {
      for (const endpoint of all) endpoint.lose()
    }
    over.addEventListener('abort', cut)
    if (over.aborted) cut()
    await Promise.all(all.map(endpoint => endpoint.close()))
    over.removeEventListener('abort', cut)
    this.#held.clear()
    await stored()
    await rows.release(
      node,
      all.map(({ claimed }) => claimed),
    )
    await rows.leave(node)
  }

  async #renew(): Promise<void> {
    const { rows, node, leaseMs } = this.#options
    const now = performance.now()
    if (this.#held.size === 0 || now - this.#renewedAt < leaseMs / 3) return
    const renewed = [...this.#held.values()]
    const lost = await rows.renew(
      node,
      renewed.map(({ claimed }) => claimed),
      leaseMs,
    )
    this.#renewedAt = now
    for (const endpoint of renewed) endpoint.leaseUntil = now + leaseMs
    this.refused(lost)
  }

  async #lookForChanges(): Promise<void> {
    const own = [...this.#held.values()].filter(({ isEnding }) => !isEnding)
    if (own.length === 0) return
    const revisions = new Map(own.map(({ claimed: { id, endpoint } }) => [id, endpoint.revision]))
    for (const { id, what } of await this.#options.rows.changed(revisions)) {
      const endpoint = this.#held.get(id)
      if (!endpoint || endpoint.isEnding) continue
      if (what === 'gone') this.#lose(endpoint)
      else if (what === 'inactive') void this.giveBack(endpoint)
      else endpoint.reopen()
    }
    for (const endpoint of own) {
      const { secretsUntil = Number.POSITIVE_INFINITY } = endpoint.claimed.endpoint
      if (performance.now() >= secretsUntil) endpoint.reopen()
    }
  }

  /** How many endpoints this process may hold. */
  async #share(): Promise<number> {
    const { rows, node, leaseMs } = this.#options
    const { nodes, endpoints } = await rows.join(node, leaseMs)
    return Math.ceil(endpoints / Math.max(1, nodes))
  }

  async #claim(most: number): Promise<void> {
    const { rows, node, leaseMs, logger, tally, open, stored } = this.#options
    if (this.#lostSome) await stored()
    this.#lostSome = false
    const leaseUntil = performance.now() + leaseMs
    const claimed = await rows.claim(node, Math.min(most, MOST_CLAIMED), leaseMs)
    for (const one of claimed) {
      // After a step of the database's clock a lease may seem to have ended that this process still has: two would deliver at once.
      this.#lose(this.#held.get(one.id))
      this.#held.set(one.id, open(one, leaseUntil))
    }
    tally.claimed += claimed.length
    if (claimed.length > 0) logger.info({ webhooks: claimed.length }, 'Claimed webhooks.')
  }

  #lose(endpoint: HeldEndpoint | undefined): void {
    if (!endpoint) return
    endpoint.lose()
    this.#forget(endpoint)
    this.#lostSome = true
    this.#options.tally.lost += 1
  }

  #forget(endpoint: HeldEndpoint): void {
    if (this.#held.get(endpoint.claimed.id) === endpoint) this.#held.delete(endpoint.claimed.id)
  }
}
