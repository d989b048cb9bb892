/**
 * Watches whether the database can do its work, not only whether it answers: it may have become read-only (a demoted
 * primary, a standby), or lack the role that requests use (a restore into another server). `/ready` and the mode of the
 * process read the result, so a probe costs no query. The watch repairs the role if the gateway has the rights to.
 *
 * If the database does not answer, the result stays as it was: `/ready` and the tailer report that themselves.
 */

import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import { type DatabaseFaultName, faultNameOf } from './database-fault.js'
import type { Database } from './pool.js'
import { restoreRowLevelSecurity, rowLevelSecurityHolds, rowLevelSecurityOf } from './row-level-security.js'

const EVERY_MS = 2_000
const READ_ONLY =
  'The database is read-only: changes are refused until a primary is back. Check DATABASE_URL and default_transaction_read_only.'

/** Undefined while the database can do everything that Sluice needs. */
export type Impairment = Extract<DatabaseFaultName, 'read-only' | 'not-set-up'>

export interface DatabaseWatchOptions {
  readonly database: Database
  readonly logger: Logger
  /** Default 2 s; tests use less. */
  readonly everyMs?: number | undefined
}

export class DatabaseWatch {
  readonly #options: DatabaseWatchOptions
  #impairment: Impairment | undefined
  readonly #checks: PeriodicLoop

  constructor(options: DatabaseWatchOptions) {
    this.#options = options
    const { everyMs = EVERY_MS, logger } = options
    this.#checks = new PeriodicLoop({
      name: 'Watching the database',
      everyMs,
      logger,
      turn: () => this.#check(),
    })
  }

  get impairment(): Impairment | undefined {
    return this.#impairment
  }

  start(): void {
    this.#checks.start()
    void this.check()
  }

  async close(): Promise<void> {
    await this.#checks.close()
  }

  /** Checks now, or joins the running check. Never rejects. */
  check(): Promise<void> {
    return this.#checks.run()
  }

  async #check(): Promise<void> {
    const { database } = this.#options
    try {
      if (await isReadOnly(database)) return this.#found('read-only', undefined)
      const { role } = await rowLevelSecurityOf(database)
      if (role !== undefined && !(await rowLevelSecurityHolds(database)))
        await restoreRowLevelSecurity(database)
      this.#found(undefined, undefined)
    } catch (error) {
      const fault = faultNameOf(error)
      if (fault === 'read-only' || fault === 'not-set-up') this.#found(fault, error)
    }
  }

  #found(impairment: Impairment | undefined, err: unknown): void {
    if (impairment === this.#impairment) return
    this.#impairment = impairment
    const { logger } = this.#options
    if (impairment === 'read-only') logger.warn({}, READ_ONLY)
    else if (impairment === 'not-set-up')
      logger.error(
        { err },
        'The database lacks roles or rights that requests need; checking every 2 seconds.',
      )
    else logger.info({}, 'The database can serve all requests again.')
  }
}

/** A session keeps its settings and its server, so a read-only one is closed: the next one may reach the new primary. */
async function isReadOnly(database: Database): Promise<boolean> {
  const client = await database.connect()
  let discard = true
  try {
    const { rows } = await client.query<{ readOnly: boolean }>({
      name: 'sluice-is-read-only',
      text: `select current_setting('transaction_read_only')::boolean as "readOnly"`,
    })
    discard = rows[0]?.readOnly ?? true
    return discard
  } finally {
    client.release(discard)
  }
}
