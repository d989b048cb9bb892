/**
 * The caps of open streams over all processes (docs/decisions/0006-shared-stream-caps.md).
 *
 * A stream is admitted at once, by the caps within this process and by the last answer of the database. A process that has more
 * than a hundredth of a cap open for one key then claims the slots, at most 250 ms later and for all keys in one statement. The
 * database grants them in the order of the claims, and never more than the cap; slot-claim.ts has the states of a claim. So no
 * request waits for the database, and while it is away each process limits by itself.
 */
import type { Logger } from '../logging/logger.js'
import { Backoff } from '../process/backoff.js'
import { BatchedWrites } from '../process/batched-writes.js'
import { type Grant, SlotClaim, unclaimed } from './slot-claim.js'
import type { StreamCaps, StreamLimit, StreamSlot } from './stream-slot.js'

const EXCHANGE_MS = 250
const RETRY_MS = { minMs: 1_000, maxMs: 5_000 }
/** Keys in one statement. */
const BATCH = 5_000

/** Claims the slots, and returns the grants in the same order. */
export type ClaimSlots = (claims: readonly SlotClaim[]) => Promise<readonly Grant[]>

export interface SharedSlotsOptions {
  readonly caps: StreamCaps
  readonly claim: ClaimSlots
  readonly logger: Logger
  /** Milliseconds of a clock that never goes back. Default performance.now. */
  readonly now?: () => number
}

export class SharedSlots {
  /** How many streams were ended because all processes together had too many, by limit. */
  readonly withdrawn = { principal: 0, workspace: 0, address: 0 }
  readonly #options: Required<SharedSlotsOptions>
  readonly #claims = { principal: new Map(), workspace: new Map(), address: new Map() } satisfies Readonly<
    Record<StreamLimit, Map<string, SlotClaim>>
  >
  readonly #due = new Set<SlotClaim>()
  readonly #unsettled = new Set<SlotClaim>()
  readonly #exchanges: BatchedWrites<SlotClaim[]>

  constructor(options: SharedSlotsOptions) {
    this.#options = { now: () => performance.now(), ...options }
    this.#exchanges = new BatchedWrites({
      name: 'Sharing the counts of open streams',
      failure: 'Cannot share the counts of open streams; limiting per process until the database is back.',
      everyMs: EXCHANGE_MS,
      backoff: new Backoff(RETRY_MS),
      logger: options.logger,
      levelOf: () => 'warn',
      take: () => this.#take(),
      store: claims => this.#exchange(claims),
      putBack: claims => this.#putBack(claims),
    })
  }

  /** Whether a further stream must be refused, because other processes have the slots. */
  isFull(limit: StreamLimit, key: string): boolean {
    const claim: SlotClaim | undefined = this.#claims[limit].get(key)
    if (!claim?.refuses(this.#options.now())) return false
    this.#noteDue(claim)
    return true
  }

  /** @param open the open streams of the key in this process, with the new one. */
  opened(limit: StreamLimit, key: string, open: number, slot: StreamSlot): void {
    const cap = this.#options.caps[limit]
    if (cap === 0) return
    const claims: Map<string, SlotClaim> = this.#claims[limit]
    let claim = claims.get(key)
    if (!claim) {
      if (open <= unclaimed(cap)) return
      claim = new SlotClaim(limit, key, cap)
      claims.set(key, claim)
    }
    claim.opened(open, slot)
    if (claim.isDue) this.#noteDue(claim)
  }

  closed(limit: StreamLimit, key: string, open: number, slot: StreamSlot): void {
    const claim: SlotClaim | undefined = this.#claims[limit].get(key)
    if (!claim) return
    claim.closed(open, slot)
    if (claim.isDue) this.#noteDue(claim)
    else this.#settle(claim)
  }

  /** To be called when the database may have forgotten the claims. */
  claimAgain(): void {
    for (const claims of Object.values(this.#claims)) {
      for (const claim of claims.values()) this.#noteDue(claim)
    }
  }

  /** Exchanges the claims now; a timer does so every 250 ms. Never rejects. */
  exchange(): Promise<void> {
    return this.#exchanges.flush()
  }

  /** The other processes learn by this one's row in sluice.nodes that its slots are free. */
  async close(): Promise<void> {
    await this.#exchanges.abandon()
  }

  #noteDue(claim: SlotClaim): void {
    this.#due.add(claim)
    this.#exchanges.start()
  }

  #take(): SlotClaim[] | undefined {
    const now = this.#options.now()
    for (const claim of this.#unsettled) {
      if (claim.asksAgain(now)) this.#due.add(claim)
      else this.#settle(claim)
    }
    if (this.#due.size === 0) return undefined
    const batch = [...this.#due].slice(0, BATCH)
    for (const claim of batch) {
      this.#due.delete(claim)
      claim.asked(now)
    }
    return batch
  }

  async #exchange(batch: readonly SlotClaim[]): Promise<void> {
    const { claim: exchange, now } = this.#options
    const grants = await exchange(batch)
    for (const [at, claim] of batch.entries()) {
      const withdrawn = claim.answered(grants[at] ?? { granted: 0, free: 0 }, now())
      if (claim.hasSpare) this.#due.add(claim)
      this.#settle(claim)
      this.withdrawn[claim.limit] += withdrawn.length
      for (const slot of withdrawn) slot.onWithdrawn?.(claim.limit)
    }
  }

  #putBack(batch: readonly SlotClaim[]): void {
    for (const claim of batch) {
      claim.unanswered()
      this.#due.add(claim)
    }
  }

  #settle(claim: SlotClaim): void {
    const now = this.#options.now()
    if (claim.isUnsettled(now)) this.#unsettled.add(claim)
    else this.#unsettled.delete(claim)
    if (claim.isIdle(now) && !this.#due.has(claim)) this.#claims[claim.limit].delete(claim.key)
  }
}
