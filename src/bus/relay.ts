/**
 * The relay of SQL publishers to a broker. `sluice.publish` and watched tables announce their events by NOTIFY, so one gateway listens to
 * Postgres for all, and passes the wakes on.
 *
 *   waiting ── the lease is free, and the broker is there ──▶ relaying ── lease or broker lost, or no LISTEN for 10 s ──▶ waiting
 *
 * A gateway that ends gives its lease up; after a `kill -9` another takes it within 7 s. Wakes of the meantime are lost, so each
 * relay that begins to listen wakes all streams in all processes. A gateway that cannot LISTEN leaves the work to others for 15 s.
 */
import { levelOfOtherFault } from '../database/database-fault.js'
import { holdLease, leaveLease } from '../database/lease.js'
import type { Database } from '../database/pool.js'
import type { Logger } from '../logging/logger.js'
import { withinDeadline } from '../process/deadline.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { Wake } from './bus.js'
import { Listener } from './listener.js'
import { parseWake } from './wake-text.js'

const EVERY_MS = 2_000
const LEASE_MS = 5_000
const DEAF_MS = 10_000
const ABSTAIN_MS = 15_000
const LEAVE_DEADLINE_MS = 1_000

export interface RelayOptions {
  readonly database: Database
  /** A direct connection for LISTEN. */
  readonly url: string
  /** The name of the lease, the same in all processes that meet on the broker. */
  readonly name: string
  /** This process: a UUID. */
  readonly holder: string
  readonly logger?: Logger | undefined
  /** Whether wakes can be passed on now. */
  canPass(): boolean
  pass(wake: Wake): void
}

export class Relay {
  readonly #options: RelayOptions
  readonly #turns: PeriodicLoop
  #listener: Listener | undefined
  /** When the listener last listened, or began to try. */
  #listenedAt = 0
  #abstainsUntil = 0
  #closing: Promise<void> | undefined

  constructor(options: RelayOptions) {
    this.#options = options
    this.#turns = new PeriodicLoop({
      name: 'The election of the gateway that passes on the wakes of SQL publishers',
      everyMs: EVERY_MS,
      firstMs: 0,
      logger: options.logger,
      levelOf: levelOfOtherFault,
      turn: () => this.#turn(),
    })
  }

  /** Whether this process passes wakes on. */
  get isRelaying(): boolean {
    return this.#listener?.listening ?? false
  }

  start(): void {
    this.#turns.start()
  }

  /** Never rejects; takes a second at most. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#turns.stop()
    await withinDeadline(this.#turns.close(), LEAVE_DEADLINE_MS)
    await withinDeadline(this.#resign(), LEAVE_DEADLINE_MS).catch(() => undefined)
  }

  async #turn(): Promise<void> {
    const { database, name, holder, canPass, logger } = this.#options
    const now = performance.now()
    if (this.isRelaying) this.#listenedAt = now
    if (this.#listener && now - this.#listenedAt > DEAF_MS) {
      this.#abstainsUntil = now + ABSTAIN_MS
      logger?.warn({}, 'This gateway cannot LISTEN, so it leaves the wakes of SQL publishers to another one.')
    }
    if (!canPass() || now < this.#abstainsUntil) return this.#resign()
    if (await holdLease(database, name, holder, LEASE_MS)) this.#listen()
    else await this.#stop()
  }

  #listen(): void {
    if (this.#listener || this.#closing) return
    const { url, holder, pass } = this.#options
    this.#listenedAt = performance.now()
    this.#listener = new Listener({
      url,
      canary: `${holder}:`,
      onPayload: payload => {
        const { streams = [] } = parseWake(payload) ?? {}
        if (streams.length > 0) pass(streams)
      },
      onListening: () => pass('all'),
    })
    this.#listener.start()
  }

  async #resign(): Promise<void> {
    const { database, name, holder } = this.#options
    if (!this.#listener) return
    await this.#stop()
    await leaveLease(database, name, holder)
  }

  async #stop(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    await listener?.close()
  }
}
