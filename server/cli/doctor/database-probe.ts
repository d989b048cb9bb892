/**
 * The connection of `sluice doctor` to a database that serves others meanwhile. Every statement runs in a transaction of its own
 * that is read-only and has short time limits, so doctor changes nothing, waits for no lock and holds no snapshot. It works
 * through any pooler that has transactions.
 */
import type pg from 'pg'
import { createPool, type Database } from '../../../src/database/pool.js'

const NAME = 'sluice doctor'
const QUERY_TIMEOUT_MS = 8_000
const SETTINGS = {
  transaction_read_only: 'on',
  statement_timeout: '5s',
  lock_timeout: '500ms',
  idle_in_transaction_session_timeout: '10s',
} as const

export class DatabaseProbe {
  readonly database: Database

  constructor(url: string) {
    this.database = createPool(url, {
      max: 1,
      name: NAME,
      pooled: true,
      settings: SETTINGS,
      queryTimeoutMs: QUERY_TIMEOUT_MS,
      onError: () => undefined,
    })
  }

  async rows<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const { rows } = await this.database.query<Row>(text, [...values])
    return rows
  }

  /** The only row of a statement that always has one. */
  async row<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row> {
    const [row] = await this.rows<Row>(text, values)
    if (row === undefined) throw new Error('The database returned no row.')
    return row
  }

  async close(): Promise<void> {
    await this.database.end()
  }
}
