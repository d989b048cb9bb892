/**
 * Brings a database to the schema that this code expects: applies the SQL files of migrations/, in order, forward only.
 *
 * Everything happens in one transaction under one advisory lock of that transaction. So any number of processes may start
 * at once, a failed migration leaves nothing behind, and a pooler in between does no harm, although it would keep neither a
 * session's lock nor its search_path for us. Other gateways work meanwhile, and wait while the tables are locked.
 */
import { join } from 'node:path'
import pg from 'pg'
import { packageRoot } from '../process/package-root.js'
import { applyMissing, isUpToDate } from './migration-files.js'
import { lockTables } from './migration-locks.js'
import { refuseNative } from './native-driver.js'
import { pins, requireUsable } from './session.js'
import { takeOver } from './takeover.js'

const OLDEST_POSTGRES = 15
/** A number that no other application is likely to lock: "sluice" in ASCII. */
export const MIGRATION_LOCK = 0x736c75696365
const MIGRATION_SETTINGS = {
  /** Longest wait for another process that migrates. */
  lock_timeout: '5min',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // A migration reads whole tables.
  enable_seqscan: 'on',
  // Only heaps have triggers, row locks and unlogged tables.
  default_table_access_method: 'heap',
}
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Migrates the database, unless it is up to date.
 * @param database its URL, or the pool of an application.
 * @param folder default: migrations/ of this package.
 * @param oldest oldest major version of PostgreSQL that is accepted.
 * @throws if the pool is one of pg.native, the server is older, or newer code has migrated the database; and the errors of `requireUsable` and `takeOver`.
 */
export async function migrate(
  database: string | pg.Pool,
  folder = join(packageRoot, 'migrations'),
  oldest = OLDEST_POSTGRES,
): Promise<void> {
  if (typeof database !== 'string') {
    refuseNative(database)
    const client = await database.connect()
    let broken = true
    try {
      await migrateBy(client, folder, oldest)
      broken = false
    } finally {
      client.release(broken)
    }
    return
  }
  const client = new pg.Client({
    connectionString: database,
    application_name: 'sluice migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  // A connection that breaks fails the query that waits on it; without a listener it would end the process too.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await migrateBy(client, folder, oldest)
  } finally {
    await client.end()
  }
}

async function migrateBy(client: pg.ClientBase, folder: string, oldest: number): Promise<void> {
  await client.query(`begin isolation level read committed; ${pins('transaction', MIGRATION_SETTINGS)}`)
  await requireVersion(client, oldest)
  await requireUsable(client)
  await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`)
  await ensureSchema(client)
  if (!(await isUpToDate(client, folder))) await lockTables(client)
  const tookOver = await takeOver(client, folder)
  const applied = await applyMissing(client, folder)
  // A function that is created or replaced has only the settings that its definition names.
  if (tookOver || applied > 0) await callIfThere(client, 'sluice.pin_functions()')
  // At each start: a restore into another server brings the tables, but not the role that their policies name.
  await callIfThere(client, 'sluice.raise_wall()')
  await client.query('commit')
}

async function requireVersion(client: pg.ClientBase, oldest: number): Promise<void> {
  const { rows } = await client.query<{ version: number; name: string }>(
    `select current_setting('server_version_num')::int as version, current_setting('server_version') as name`,
  )
  const server = rows[0]
  if (server && server.version < oldest * 10_000) {
    throw new Error(
      `The database runs PostgreSQL ${server.name}. Sluice needs ${oldest} or later: upgrade the server.`,
    )
  }
}

/** Looks first, because `create schema if not exists` needs CREATE on the database even when the schema exists. */
async function ensureSchema(client: pg.ClientBase): Promise<void> {
  const { rowCount } = await client.query(`select from pg_namespace where nspname = 'sluice'`)
  if (rowCount === 0) await client.query('create schema sluice')
}

async function callIfThere(client: pg.ClientBase, call: string): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>('select to_regprocedure($1) is not null as there', [
    call,
  ])
  if (rows[0]?.there) await client.query(`select ${call}`)
}
