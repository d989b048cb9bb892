/**
 * The consumers that clients of this process hold with live streams: one loop keeps all of their leases, learns of
 * acknowledgements at other nodes, and notes what was handed out. Each of these is one statement for all of them.
 *
 * A lease that cannot be renewed because the database is away is kept: if nobody has claimed the consumer meanwhile, the next
 * renewal makes it valid again, and until then nothing is handed out (hold.ts).
 */
import { levelOfOtherFault } from '../database/database-fault.js'
import { gateOf } from '../database/fair-gate.js'
import type { Database } from '../database/pool.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { Consumer, ConsumerId } from './consumer.js'
import { resetConsumer } from './consumer-losses.js'
import { claimConsumers, readConsumers, releaseLeases, renewLeases } from './consumer-rows.js'
import type { ConsumerSignals } from './consumer-signals.js'
import { noteHandedOut, passOver } from './cursor-rows.js'
import { Hold } from './hold.js'

/** How long a consumer stays held after its process was killed. */
export const LEASE_MS = 10_000
const RENEW_MS = 3_000
/** A full window learns of an acknowledgement at another node within this time. */
const POLL_MS = 250

export interface HoldsOptions {
  readonly database: Database
  /** The id of this process. */
  readonly node: string
  readonly logger: Logger
  /** The signals about consumers that reach this process without a read. */
  readonly signals: Pick<ConsumerSignals, 'on'>
}

export class Holds {
  readonly #options: HoldsOptions
  readonly #open = new Map<ConsumerId, Hold>()
  /** Holds whose reset the row does not have yet, even if they have closed since. */
  readonly #resets = new Set<Hold>()
  readonly #loop: PeriodicLoop
  /** Releases under way. */
  readonly #releases = new Set<Promise<void>>()
  #renewedAt = 0

  constructor(options: HoldsOptions) {
    this.#options = options
    this.#loop = new PeriodicLoop({
      name: 'Keeping the leases of consumers',
      everyMs: POLL_MS,
      logger: options.logger,
      levelOf: levelOfOtherFault,
      turn: () => this.#turn(),
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Call this once no subscription is open: gives up all leases. */
  async close(): Promise<void> {
    await this.#loop.close()
    await Promise.all(this.#releases)
  }

  /**
   * Claims a consumer for a client of this process.
   * @param takeover claims it also if another client holds it.
   * @param gone aborts when the client has gone: it then claims nothing any more, which its next request may have by then.
   * @returns undefined if another client holds it. Else the caller must open a subscription with this window, or call `onClosed`.
   */
  async claim(
    { id, workspace }: Consumer,
    holder: string,
    takeover: boolean,
    gone?: AbortSignal,
  ): Promise<Hold | undefined> {
    const { database, node } = this.#options
    const leaseUntil = performance.now() + LEASE_MS
    const claiming = { kind: 'pull', node, holder, ids: [id], leaseMs: LEASE_MS, takeover } as const
    const [consumer] = await gateOf(database).run(workspace, () => claimConsumers(database, claiming), gone)
    const open = this.#open.get(id)
    // Two claims of this process may be answered in another order than they were made.
    if (!consumer || (open && open.claim.epoch > consumer.epoch)) return undefined
    open?.lose('taken-over')
    const unsubscribe = this.#options.signals.on(id, signal => {
      if (signal.kind === 'acknowledged') hold.hear(signal)
      // The row decides: this claim may be newer than the signal. If it cannot be read, the next renewal finds the loss.
      else void this.#read([hold]).catch(() => undefined)
    })
    const hold = new Hold({
      consumer,
      leaseUntil,
      onReset: () => this.#resets.add(hold),
      onClosed: () => {
        unsubscribe()
        this.#closed(hold)
      },
    })
    this.#open.set(id, hold)
    return hold
  }

  async #turn(): Promise<void> {
    const overdue = this.#all().filter(hold => hold.isOverdue())
    if (performance.now() - this.#renewedAt >= RENEW_MS) await this.#renew()
    else await this.#read(this.#all().filter(hold => hold.room === 0 || hold.isOverdue()))
    // An acknowledgement at another node may just have been read.
    for (const hold of overdue) if (hold.isOverdue()) hold.handOutAgain()
    await this.#note()
    // Each on its own: a reset that fails must not keep the leases of others from being renewed.
    const results = await Promise.allSettled([...this.#resets].map(hold => this.#reset(hold)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  async #reset(hold: Hold): Promise<void> {
    const { claim, resetting } = hold
    if (resetting) await resetConsumer(this.#options.database, claim, resetting.stream, resetting.to)
    // The client may have got another reset meanwhile.
    if (hold.resetting !== resetting) return
    hold.resetting = undefined
    this.#resets.delete(hold)
  }

  async #renew(): Promise<void> {
    const { database, node } = this.#options
    const holds = this.#all()
    if (holds.length === 0) return
    const startedAt = performance.now()
    const claims = holds.map(({ claim }) => claim)
    const lost = await renewLeases(database, node, claims, LEASE_MS)
    const reasons = new Map(lost.map(({ id, reason }) => [id, reason]))
    for (const hold of holds) {
      const reason = reasons.get(hold.claim.id)
      if (reason) hold.lose(reason)
      else hold.renewed(startedAt + LEASE_MS)
    }
    this.#renewedAt = startedAt
    await passOver(
      database,
      this.#all().flatMap(hold => hold.passedOver ?? []),
    )
    await this.#read(this.#all())
  }

  async #read(holds: readonly Hold[]): Promise<void> {
    if (holds.length === 0) return
    const consumers = await readConsumers(
      this.#options.database,
      holds.map(({ claim }) => claim.id),
    )
    const rows = new Map(consumers.map(consumer => [consumer.id, consumer]))
    for (const hold of holds) {
      const consumer = rows.get(hold.claim.id)
      if (!consumer) hold.lose('deleted')
      else if (consumer.epoch !== hold.claim.epoch) hold.lose(consumer.fencedBy ?? 'taken-over')
      // Until the reset is acknowledged, the row has the cursor that is lost.
      else if (!consumer.reset) hold.acknowledged(consumer.cursor)
    }
  }

  async #note(): Promise<void> {
    const notes = this.#all().flatMap(hold => hold.takeNote() ?? [])
    await noteHandedOut(this.#options.database, notes)
  }

  #all(): Hold[] {
    return [...this.#open.values()].filter(hold => !hold.isLost)
  }

  #closed(hold: Hold): void {
    const { id } = hold.claim
    if (this.#open.get(id) === hold) this.#open.delete(id)
    if (hold.isLost) return
    const releasing = this.#release(hold)
      // The database is away: the lease expires by itself.
      .catch(() => undefined)
      .finally(() => this.#releases.delete(releasing))
    this.#releases.add(releasing)
  }

  async #release(hold: Hold): Promise<void> {
    const { database, node } = this.#options
    if (hold.resetting) await this.#reset(hold)
    await passOver(database, hold.passedOver ? [hold.passedOver] : [])
    await releaseLeases(database, node, [hold.claim])
  }
}
