/**
 * Failed authentications in the audit log. Whoever fails costs us nothing to speak of: the request only notes it here,
 * and it is written in batches, outside the request's path.
 *
 * Of one address, in one workspace and minute, MAX_SINGLES are entries of their own, and MAX_SINGLES_OF_ALL of all; what
 * follows is counted, and the count written when the minute is over. So a flood is on record, but fills neither the
 * table nor the memory. While the database is away what was noted is dropped, with a line in the log.
 */
import type pg from 'pg'
import { SYSTEM_WORKSPACE } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { Housekeeping } from '../process/periodic-loop.js'
import { type AuditEntry, type Origin, recordAudit } from './audit.js'

const MAX_SINGLES = 10
const MAX_SINGLES_OF_ALL = 1_000
const WINDOW_MS = 60_000
const WRITE_EVERY_MS = 1_000
/** Addresses that are counted apart; more are counted together. */
const MAX_WINDOWS = 1_000

export interface FailedAuthentication extends Omit<Origin, 'workspace'> {
  /** Undefined unless it is known for sure whose it is: then it is the system's, which no admin reads. */
  readonly workspace: string | undefined
  /** Whom to count it to: one address may be one of many of its holder. */
  readonly origin: string
  readonly details: AuditEntry['details']
}

interface Window {
  readonly workspace: string
  /** Undefined: those that came when too many others were counted. */
  readonly origin: string | undefined
  readonly startedAt: number
  singles: number
  leftOut: number
}

export interface FailedAuthenticationsOptions {
  readonly database: pg.Pool
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
  readonly #writes: Housekeeping
  #writing: Promise<void> | undefined

  constructor(options: FailedAuthenticationsOptions) {
    this.#options = options
    this.#writes = new Housekeeping({
      what: 'Recording failed authentications',
      everyMs: WRITE_EVERY_MS,
      logger: options.logger,
      turn: () => this.write(),
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

  /** Writes what waits, by itself every second. Never throws. */
  write(): Promise<void> {
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  /** Writes what there is, the counts of the present minute too. The database must still be there. */
  async close(): Promise<void> {
    this.#writes.stop()
    await this.#writing
    this.#closeWindows(Number.POSITIVE_INFINITY)
    await this.write()
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

  /** Of windows that began before then. They lie in the order in which they began. */
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

  /** Whether this minute has room for one more. */
  #takeSingle(): boolean {
    const minute = Math.floor(this.#now() / WINDOW_MS)
    if (minute !== this.#minute) this.#singles = 0
    this.#minute = minute
    this.#singles += 1
    return this.#singles <= MAX_SINGLES_OF_ALL
  }

  async #writeOnce(): Promise<void> {
    this.#closeWindows(this.#now() - WINDOW_MS)
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    try {
      await recordAudit(this.#options.database, ...batch)
    } catch (error) {
      const fields = { err: error, dropped: batch.length }
      this.#options.logger.warn(fields, 'Failed authentications cannot be put on record.')
    }
  }

  #now(): number {
    return (this.#options.now ?? Date.now)()
  }
}
