/**
 * Failed authentications in the audit log. They cost the gateway almost nothing: the request only notes them here, and they
 * are written in batches, outside the request's path.
 *
 * Per address, workspace and minute, MAX_SINGLES failures get an entry of their own; over all addresses, MAX_SINGLES_OF_ALL
 * per minute do. Further ones are counted, and the count is written when the minute is over. So a flood is on record, but
 * fills neither the table nor the memory. While the database is unavailable, entries are dropped, with a line in the log.
 */
import type { Database } from '../database/pool.js'
import { SYSTEM_WORKSPACE } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { BatchedWrites } from '../process/batched-writes.js'
import { type AuditEntry, type Origin, recordAudit } from './audit.js'

const MAX_SINGLES = 10
const MAX_SINGLES_OF_ALL = 1_000
const WINDOW_MS = 60_000
const WRITE_EVERY_MS = 1_000
/** Addresses that are counted separately; further ones share one count. */
const MAX_WINDOWS = 1_000

export interface FailedAuthentication extends Omit<Origin, 'workspace'> {
  /** Undefined unless proven. The entry then belongs to the system workspace, which no admin reads. */
  readonly workspace: string | undefined
  /** The name under which the failure is counted, such as an IPv6 network: one caller may hold many addresses. */
  readonly origin: string
  readonly details: AuditEntry['details']
}

interface Window {
  readonly workspace: string
  /** Undefined for the shared count of all addresses beyond MAX_WINDOWS. */
  readonly origin: string | undefined
  readonly startedAt: number
  singles: number
  leftOut: number
}

export interface FailedAuthenticationsOptions {
  readonly database: Database
  readonly logger: Logger
  /** Default Date.now. */
  readonly now?: () => number
}

export class FailedAuthentications {
  readonly #options: FailedAuthenticationsOptions
  readonly #windows = new Map<string, Window>()
  #waiting: AuditEntry[] = []
  #minute = 0
  #singles = 0
  readonly #writes: BatchedWrites<AuditEntry[]>

  constructor(options: FailedAuthenticationsOptions) {
    this.#options = options
    this.#writes = new BatchedWrites({
      name: 'Recording failed authentications',
      everyMs: WRITE_EVERY_MS,
      logger: options.logger,
      take: () => this.#take(),
      store: entries => this.#store(entries),
    })
  }

  start(): void {
    this.#writes.start()
  }

  /** Never waits, never throws. */
  note({ workspace = SYSTEM_WORKSPACE, origin, ...failed }: FailedAuthentication): void {
    const window = this.#windowOf(workspace, origin)
    if (window.singles >= MAX_SINGLES || !this.#takeSingle()) window.leftOut += 1
    else {
      window.singles += 1
      this.#add({ ...failed, workspace, action: 'authentication.failed' })
    }
  }

  /** Writes what waits now; a timer does so every second. Never rejects. */
  write(): Promise<void> {
    return this.#writes.flush()
  }

  /** Writes everything, including the counts of the current minute. The database must still be open. */
  async close(): Promise<void> {
    this.#closeWindows(Number.POSITIVE_INFINITY)
    await this.#writes.close()
  }

  #windowOf(workspace: string, origin: string | undefined): Window {
    const key = `${workspace} ${origin}`
    const known = this.#windows.get(key)
    if (known) return known
    if (this.#windows.size >= MAX_WINDOWS && origin !== undefined)
      return this.#windowOf(SYSTEM_WORKSPACE, undefined)
    const window = { workspace, origin, startedAt: this.#now(), singles: 0, leftOut: 0 }
    this.#windows.set(key, window)
    return window
  }

  /** Closes the windows that began before `before`. The map is in the order in which they began. */
  #closeWindows(before: number): void {
    for (const [key, { workspace, origin, startedAt, leftOut }] of this.#windows) {
      if (startedAt >= before) return
      this.#windows.delete(key)
      if (leftOut === 0) continue
      const from = { workspace, principal: null, address: origin ?? null, requestId: null }
      this.#add({ ...from, action: 'authentication.failed', details: { left_out: leftOut } })
    }
  }

  #add(entry: AuditEntry): void {
    this.#waiting.push({ ...entry, at: new Date(this.#now()) })
  }

  /** Whether this minute has room for one more single entry. */
  #takeSingle(): boolean {
    const minute = Math.floor(this.#now() / WINDOW_MS)
    if (minute !== this.#minute) this.#singles = 0
    this.#minute = minute
    this.#singles += 1
    return this.#singles <= MAX_SINGLES_OF_ALL
  }

  #take(): AuditEntry[] | undefined {
    this.#closeWindows(this.#now() - WINDOW_MS)
    if (this.#waiting.length === 0) return undefined
    const entries = this.#waiting
    this.#waiting = []
    return entries
  }

  /** Every lost batch is reported, because its entries are gone. */
  async #store(entries: AuditEntry[]): Promise<void> {
    const { database, logger } = this.#options
    try {
      await recordAudit(database, ...entries)
    } catch (err) {
      logger.warn({ err, dropped: entries.length }, 'Failed to record failed authentications; they are lost.')
    }
  }

  #now(): number {
    return (this.#options.now ?? Date.now)()
  }
}
