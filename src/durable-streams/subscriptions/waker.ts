/**
 * Wakes the subscriptions of all workspaces, together with the wakers of other processes. Each process looks at the streams whose growth
 * it learns of, and the database decides which process issues a wake; the lease of that wake makes it the one deliverer. If it dies, the
 * lease ends, and any other process issues the next wake.
 *
 * The cost: without subscriptions, an append costs nothing here, and a process one probe a second. With some, one statement for all the
 * streams that have grown within 20 ms, with a probe of an index per stream and, for a linked one, a probe of its head. A process learns
 * of its own commits at once. It looks a little later at streams that the bus names, because by then the process that has committed has
 * usually done the work. Once a second it also looks for what is due, for new streams, and at the next 500 links in turn, which finds
 * growth whose wake was lost (I6).
 */
import { databaseFault, levelOfOtherFault } from '../../database/database-fault.js'
import type { Database } from '../../database/pool.js'
import type { StreamId } from '../../log/event.js'
import type { Logger } from '../../logging/logger.js'
import { PeriodicLoop } from '../../process/periodic-loop.js'
import { anySubscription, checkLinks, type LinkPlace, noteGrowth, takeWake } from './growth-rows.js'
import { StreamDiscovery } from './stream-discovery.js'
import { deliverWake, type WakeSender } from './wake-delivery.js'

const EVERY_MS = 1_000
const OWN_DELAY_MS = 20
const OTHERS_DELAY_MS = 150
/** Streams of one statement. */
const BATCH = 1_000
/** The most streams that wait; further ones are left to the turns over all links. */
const MAX_WAITING = 20_000
const LINKS = 500
/** Links that one turn looks at while no wakes arrive from other processes. */
const LINKS_WITHOUT_BUS = 5_000
const CONCURRENCY = 64
const START: LinkPlace = { uid: 0, path: '' }

export interface WakerOptions {
  readonly database: Database
  /** Undefined: this process sends no requests, and writes wake events only. */
  readonly webhooks: WakeSender | undefined
  readonly logger: Logger
  /** Called after a COMMIT that has written wake events. */
  readonly onAppended: (streams: readonly StreamId[]) => void
  /** Whether wakes of other processes arrive. */
  readonly listening: () => boolean
  /** Nothing is begun meanwhile. */
  readonly paused: () => boolean
  /** Default 1,000 ms. */
  readonly everyMs?: number | undefined
}

export class Waker {
  readonly #options: WakerOptions
  readonly #discovery: StreamDiscovery
  readonly #loop: PeriodicLoop
  readonly #ending = new AbortController()
  readonly #grown = new Set<StreamId>()
  readonly #deliveries = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #working: Promise<void> = Promise.resolve()
  #taking: Promise<void> | undefined
  #takeAgain = false
  #any = false
  #place = START
  #stopped = false

  constructor(options: WakerOptions) {
    this.#options = options
    this.#discovery = new StreamDiscovery(options.database)
    this.#loop = new PeriodicLoop({
      name: 'Waking subscriptions',
      everyMs: options.everyMs ?? EVERY_MS,
      firstMs: 0,
      logger: options.logger,
      levelOf: levelOfOtherFault,
      turn: () => this.#serially(() => this.#turn()),
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Requests under way. */
  get underWay(): number {
    return this.#deliveries.size
  }

  /** @param isOwn whether this process has committed the events. */
  grown(streams: readonly StreamId[], isOwn: boolean): void {
    if (!this.#any || this.#stopped) return
    for (const stream of streams) if (this.#grown.size < MAX_WAITING) this.#grown.add(stream)
    if (this.#grown.size > 0) this.#lookWithin(isOwn ? OWN_DELAY_MS : OTHERS_DELAY_MS * (1 + Math.random()))
  }

  /** Call this after a request to this process has changed a subscription: there is one, and it may be due. */
  changed(streams: readonly StreamId[] = []): void {
    this.#any = true
    for (const stream of streams) this.#grown.add(stream)
    this.#lookWithin(0, true)
  }

  /** Links streams that were made a moment ago, before a worker claims. */
  async discover(): Promise<void> {
    await this.#serially(async () => void (await this.#discovery.look()))
  }

  /**
   * Begins nothing further, and waits for the requests under way.
   * @param longestMs after this time they are cut, and the next process sends their wakes. Default 0.
   */
  async close(longestMs = 0): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#loop.stop()
    const cut = setTimeout(() => this.#ending.abort(), longestMs)
    await this.#loop.close()
    await this.#working.catch(() => undefined)
    await this.#taking?.catch(() => undefined)
    await Promise.all(this.#deliveries)
    clearTimeout(cut)
  }

  #lookWithin(ms: number, take = false): void {
    const at = performance.now() + ms
    this.#takeAgain ||= take
    if (this.#stopped || at >= this.#dueAt) return
    clearTimeout(this.#timer)
    this.#dueAt = at
    this.#timer = setTimeout(() => {
      this.#dueAt = Number.POSITIVE_INFINITY
      // The next turn repeats what fails.
      this.#serially(() => this.#look()).catch(() => undefined)
    }, ms)
  }

  /** One look at a time. */
  #serially(work: () => Promise<void>): Promise<void> {
    const next = this.#working.catch(() => undefined).then(work)
    this.#working = next.catch(() => undefined)
    return next
  }

  async #look(): Promise<void> {
    let due = this.#takeAgain ? 1 : 0
    this.#takeAgain = false
    while (this.#grown.size > 0 && !this.#stopped) {
      const streams = [...this.#grown].slice(0, BATCH)
      for (const stream of streams) this.#grown.delete(stream)
      if (streams.some(stream => stream > this.#discovery.newest)) due += await this.#discovery.glance()
      due += await noteGrowth(this.#options.database, streams)
    }
    if (due > 0) this.#take()
  }

  async #turn(): Promise<void> {
    const { database, listening } = this.#options
    if (this.#stopped) return
    this.#any = await anySubscription(database)
    if (!this.#any) return
    await this.#discovery.look()
    await this.#look()
    const place = await checkLinks(database, this.#place, listening() ? LINKS : LINKS_WITHOUT_BUS)
    this.#place = place ?? START
    this.#take()
  }

  /** Issues the wakes that are due, one after the other; their requests run side by side. */
  #take(): void {
    if (this.#taking) {
      this.#takeAgain = true
      return
    }
    this.#taking = this.#takeAll()
      .catch(error => {
        if (!databaseFault(error))
          this.#options.logger.error({ err: error }, 'Failed to wake a subscription.')
      })
      .finally(() => {
        this.#taking = undefined
        if (this.#takeAgain) this.#lookWithin(0, true)
      })
  }

  async #takeAll(): Promise<void> {
    const { database, webhooks, paused, onAppended } = this.#options
    while (!this.#stopped && !paused()) {
      const wake = await takeWake(database, webhooks !== undefined && this.#deliveries.size < CONCURRENCY)
      if (!wake) return
      if (wake.wakeStreamId !== null) onAppended([wake.wakeStreamId])
      if (!wake.issued || wake.type !== 'webhook' || !webhooks) continue
      const delivery: Promise<void> = deliverWake(webhooks, wake, this.#ending.signal)
        .then(({ streams }) => this.changed(streams))
        .catch(error => {
          // Its lease ends, and the next wake tries again.
          if (databaseFault(error)) return
          this.#options.logger.error({ err: error }, 'Failed to store the outcome of a wake.')
        })
        .finally(() => this.#deliveries.delete(delivery))
      this.#deliveries.add(delivery)
    }
  }
}
