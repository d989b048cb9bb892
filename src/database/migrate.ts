/**
 * Brings a database to what this code expects: the SQL files of migrations/, in order, forward only.
 *
 * Everything happens in one transaction under one advisory lock of that transaction. So any number of processes may
 * start at once, a failed migration leaves nothing behind, and a pooler in front (where neither a session's lock nor
 * its search_path would stay with us) does no harm.
 */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { packageRoot } from '../process/package-root.js'
import { pins, requireUsable } from './session.js'

const OLDEST_POSTGRES = 15
/** Any number that nobody else locks: "sluice" in ASCII. */
export const MIGRATION_LOCK = 0x736c75696365
const MIGRATION_SETTINGS = {
  /** Longest wait for another process that migrates, or for a lock on a table. */
  lock_timeout: '5min',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // A migration reads whole tables.
  enable_seqscan: 'on',
  // Triggers, locks on rows and unlogged tables are for heaps.
  default_table_access_method: 'heap',
}
const CONNECT_TIMEOUT_MS = 10_000

/**
 * @param folder default: migrations/ of this package. Files that do not end in `.sql` are ignored.
 * @param oldest major version of PostgreSQL that will do.
 * @throws when the server is older, or the database was migrated by newer code; as `requireUsable` does.
 */
export async function migrate(
  url: string,
  folder = join(packageRoot, 'migrations'),
  oldest = OLDEST_POSTGRES,
): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'sluice migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  // A connection that breaks fails the query that waits on it; without a listener it would end the process too.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(`begin isolation level read committed; ${pins('transaction', MIGRATION_SETTINGS)}`)
    await requireVersion(client, oldest)
    await requireUsable(client)
    await client.query(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`)
    await ensureSchema(client)
    await refuseNewer(client, folder)
    await applyMissing(client, folder)
    // At each start, not once: a restore into another server brings the tables and not the role that they know.
    await callIfThere(client, 'sluice.raise_wall()')
    await client.query('commit')
  } finally {
    await client.end()
  }
}

async function requireVersion(client: pg.Client, oldest: number): Promise<void> {
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

/** Only when it is missing: `create schema if not exists` asks for CREATE on the database even when it is there. */
async function ensureSchema(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query(`select from pg_namespace where nspname = 'sluice'`)
  if (rowCount === 0) await client.query('create schema sluice')
}

async function refuseNewer(client: pg.Client, folder: string): Promise<void> {
  const { rows } = await client.query<{ name: string | null }>(
    `select to_regclass('sluice.migrations') as name`,
  )
  if (rows[0]?.name == null) return
  const files = await readdir(folder)
  const known = files.filter(file => file.endsWith('.sql')).map(file => basename(file, '.sql'))
  const unknown = await client.query<{ name: string }>(
    'select name from sluice.migrations where name <> all ($1::text[]) order by id',
    [known],
  )
  if (unknown.rows.length > 0) {
    const names = unknown.rows.map(row => row.name).join(', ')
    throw new Error(`This database was migrated by a newer Sluice (${names}). Run that version or newer.`)
  }
}

async function applyMissing(client: pg.Client, folder: string): Promise<void> {
  const applied = await runner({
    dbClient: client,
    dir: folder,
    direction: 'up',
    migrationsSchema: 'sluice',
    migrationsTable: 'migrations',
    // Our transaction holds the lock already.
    noLock: true,
    ignorePattern: '\\..*|.*(?<!\\.sql)',
    migrationLoaderStrategies: [{ extensions: ['.sql'], loader: files => Promise.all(files.map(readUp)) }],
    logger: { info: ignore, warn: ignore, error: ignore },
  })
  // To make a function anew takes its settings away.
  if (applied.length > 0) await callIfThere(client, 'sluice.pin_functions()')
}

async function callIfThere(client: pg.Client, call: string): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>('select to_regprocedure($1) is not null as there', [
    call,
  ])
  if (rows[0]?.there) await client.query(`select ${call}`)
}

/** One file as one step up. `noTransaction`: it runs inside the transaction that is open. */
async function readUp(file: string) {
  const sql = await readFile(file, 'utf8')
  return {
    id: file,
    filePaths: [file],
    actions: {
      up: (steps: { noTransaction(): void; sql(text: string): void }) => {
        steps.noTransaction()
        steps.sql(sql)
      },
      down: false as const,
    },
  }
}

function ignore(): void {}
