/**
 * Delivers the webhooks of all workspaces; each process has its share of the endpoints. Each endpoint has one deliverer at a time,
 * which holds a lease on it, fenced by an epoch. The processes share the endpoints evenly: each claims up to its share of those that
 * are free, and gives back what it holds beyond that. Leases of a process that is gone expire, and others claim them; a process that
 * stops gives its own back. A process that cannot renew in time, such as without a database, stops delivering before its leases end.
 *
 * Once a second it compares the endpoints that it holds with their rows, in one statement, so that it notices every change by an
 * admin without NOTIFY (I6). Events are not polled for: the hub wakes the endpoints of a stream that grows.
 */
import limit from 'p-limit'
import { databaseFault, levelOfOtherFault } from '../../database/database-fault.js'
import { withinDeadline } from '../../process/deadline.js'
import { PeriodicLoop } from '../../process/periodic-loop.js'
import { systemClock } from './clock.js'
import type { DelivererOptions } from './deliverer-options.js'
import type { ClaimedEndpoint } from './delivery-rows.js'
import type { DeliveryServices } from './delivery-services.js'
import { DeliveryTally } from './delivery-tally.js'
import { EndpointLeases } from './endpoint-leases.js'
import { HeldEndpoint } from './held-endpoint.js'
import { HeldEvents } from './held-events.js'
import { Ledger } from './ledger.js'
import { RetrySchedule } from './retry-schedule.js'
import { StreamWatches } from './stream-watches.js'
import { Turns } from './turns.js'

const LEASE_MS = 10_000
const EVERY_MS = 1_000
/** How often the leases are compared with the clock. */
const WATCH_MS = 250
/** Turns after which cursors are stored that have moved over events without a delivery. */
const PROGRESS_TURNS = 5
const STORE_MS = 5_000
/** A round that takes longer is not waited for when the process stops. */
const ROUND_MS = 2_000
/** Reads of the log at once: fewer than the process has readers, so that clients which catch up have others. */
const READERS = 2

export class Deliverer {
  readonly tally = new DeliveryTally()
  readonly turns: Turns
  readonly #options: DelivererOptions
  readonly #services: DeliveryServices
  readonly #ledger: Ledger
  readonly #leases: EndpointLeases
  readonly #watches: StreamWatches
  readonly #rounds: PeriodicLoop
  readonly #clockWatch: PeriodicLoop
  /** Whether a lane could not begin a delivery: it has to be woken. */
  #refused = false
  #stopping = false
  #round = 0
  #unreadable = false
  #closing: Promise<void> | undefined

  constructor(options: DelivererOptions) {
    const { rows, hub, logger, node, leaseMs = LEASE_MS, everyMs = EVERY_MS } = options
    const { tally } = this
    this.#options = options
    this.turns = new Turns(options)
    this.#watches = new StreamWatches(hub)
    this.#ledger = new Ledger({
      logger,
      record: batch => rows.record(batch),
      onRefused: ids => this.#leases.refused(ids),
      onRoom: () => this.#wakeAll(),
    })
    const open = (claimed: ClaimedEndpoint, leaseUntil: number) => this.#open(claimed, leaseUntil)
    this.#leases = new EndpointLeases({
      node,
      rows,
      logger,
      tally,
      leaseMs,
      open,
      stored: () => this.#stored(),
    })
    this.#services = this.#servicesOf(options)
    this.#rounds = new PeriodicLoop({
      name: 'Looking after the webhooks of this process',
      everyMs,
      firstMs: 0,
      logger,
      levelOf: levelOfOtherFault,
      turn: () => this.#turn(),
    })
    const watch = () => this.#leases.watch()
    this.#clockWatch = new PeriodicLoop({
      name: 'Watching the leases of webhooks',
      everyMs: Math.min(WATCH_MS, leaseMs / 40),
      logger,
      turn: watch,
    })
  }

  start(): void {
    this.#rounds.start()
    this.#clockWatch.start()
  }

  /** Looks for changes now, such as after one by a request to this process. */
  async look(): Promise<void> {
    await this.#rounds.run()
    if (!this.#stopping) await this.#rounds.run()
  }

  /** The endpoints that this process holds. */
  get endpoints(): number {
    return this.#leases.size
  }

  /** Deliveries that wait for their next try, of the endpoints that this process holds. */
  get waiting(): number {
    let waiting = 0
    for (const { delivery } of this.#leases.held) waiting += delivery?.waiting ?? 0
    return waiting
  }

  /** The age of the oldest event that is not settled, of the endpoints that this process holds, in milliseconds. */
  lagMs(now = Date.now()): number {
    let oldest = now
    for (const { delivery } of this.#leases.held) oldest = Math.min(oldest, delivery?.oldestAt ?? now)
    return now - oldest
  }

  /**
   * Begins no delivery from now on, waits for those under way, stores their outcomes, and gives the leases back.
   * @param longestMs after this time requests that are under way are cut. Default 0.
   */
  close(longestMs = 0): Promise<void> {
    this.#closing ??= this.#close(longestMs)
    return this.#closing
  }

  async #close(longestMs: number): Promise<void> {
    this.#stopping = true
    // Leases are not renewed any more.
    const { leaseMs = LEASE_MS } = this.#options
    const over = AbortSignal.timeout(Math.min(longestMs, leaseMs / 2))
    // An endpoint that is being claimed is given back too.
    await withinDeadline(this.#rounds.close(), ROUND_MS)
    await this.#leases.giveBackAll(over).catch(error => {
      this.#options.logger.warn({ err: error }, 'Failed to give back webhooks; their leases will expire.')
    })
    await this.#clockWatch.close()
    this.#ledger.close()
  }

  async #turn(): Promise<void> {
    if (this.#stopping) return
    this.#round += 1
    if (this.#refused && this.#mayDeliver()) {
      this.#refused = false
      this.#wakeAll()
    }
    if (this.#round % PROGRESS_TURNS === 0)
      for (const { delivery } of this.#leases.held) delivery?.noteProgress()
    await this.#leases.turn()
  }

  #mayDeliver(): boolean {
    const may = !this.#stopping && !this.#ledger.full && !this.#options.paused()
    this.#refused ||= !may
    return may
  }

  #wakeAll(): void {
    for (const { delivery } of this.#leases.held) delivery?.wake()
  }

  async #stored(): Promise<void> {
    if (!(await this.#ledger.flush(STORE_MS)))
      throw new Error('What has become of deliveries could not be stored in time.')
  }

  #open(claimed: ClaimedEndpoint, leaseUntil: number): HeldEndpoint {
    return new HeldEndpoint(claimed, leaseUntil, {
      services: this.#services,
      watches: this.#watches,
      reread: async held => {
        await this.#stored()
        return await this.#options.rows.read(held)
      },
      onGone: endpoint => void this.#leases.giveBack(endpoint),
    })
  }

  #servicesOf({ sender, hub, readers, clock = systemClock, pausesMs, random, logger }: DelivererOptions) {
    const reads = limit(READERS)
    const { tally, turns } = this
    return {
      clock,
      schedule: new RetrySchedule({ pausesMs, random }),
      sender,
      turns,
      held: new HeldEvents(),
      tally,
      starts: hub.starts,
      readers,
      mayDeliver: () => this.#mayDeliver(),
      reads: async work => {
        const read = await reads(work)
        this.#unreadable = false
        return read
      },
      unreadable: error => {
        if (!databaseFault(error) && !this.#unreadable)
          logger.error({ err: error }, 'Failed to read events for a webhook; trying again until it succeeds.')
        this.#unreadable = true
      },
      note: (change, attempts) => this.#ledger.note(change, attempts),
      stopped: ({ id, workspace }, { to, reason }) => {
        this.#leases.giveBackId(id)
        logger.warn({ webhook: id, workspace, reason }, `A webhook is ${to} now.`)
      },
      lost: ({ id, workspace }, reason) =>
        logger.warn(
          { webhook: id, workspace, reason },
          'A webhook has lost events; its receiver gets a reset.',
        ),
    } satisfies DeliveryServices
  }
}
