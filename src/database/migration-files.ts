/**
 * The migrations in a folder: SQL files that are applied in the order of their numbers. A file that is not named like
 * 0001_name.sql is ignored, because one stray file would otherwise keep every gateway from starting.
 */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type pg from 'pg'

const MIGRATION = /^\d{4}_\w+\.sql$/
/** The pattern of names that the runner ignores, as text, because the runner takes no RegExp. */
const ANYTHING_ELSE = `(?!${MIGRATION.source.slice(1)}).*`

/** The names of the migrations in `folder`, without `.sql`, in order. Empty if there is no such folder. */
export async function migrationNames(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return files
    .filter(file => MIGRATION.test(file))
    .map(file => basename(file, '.sql'))
    .sort()
}

export function readMigration(folder: string, name: string): Promise<string> {
  return readFile(join(folder, `${name}.sql`), 'utf8')
}

/** The names of the migrations that the database has, in the order in which they were applied. */
export async function appliedNames(client: pg.ClientBase): Promise<string[]> {
  const table = await client.query<{ name: string | null }>(`select to_regclass('sluice.migrations') as name`)
  if (table.rows[0]?.name == null) return []
  const { rows } = await client.query<{ name: string }>(
    'select name from sluice.migrations order by run_on, id',
  )
  return rows.map(({ name }) => name)
}

/** Whether the database has all migrations of `folder`. */
export async function isUpToDate(client: pg.ClientBase, folder: string): Promise<boolean> {
  const [names, present] = await Promise.all([migrationNames(folder), appliedNames(client)])
  return names.every(name => present.includes(name))
}

/**
 * Applies the migrations of `folder` that the database lacks, in the transaction that is open on `client`, and adds their
 * names to `sluice.migrations`.
 * @returns how many it applied.
 */
export async function applyMissing(client: pg.ClientBase, folder: string): Promise<number> {
  if (await isUpToDate(client, folder)) return 0
  // Loaded only now: most starts find the database up to date.
  const { runner } = await import('node-pg-migrate')
  const applied = await runner({
    dbClient: client,
    dir: folder,
    direction: 'up',
    migrationsSchema: 'sluice',
    migrationsTable: 'migrations',
    // The caller's transaction holds our own lock.
    noLock: true,
    ignorePattern: ANYTHING_ELSE,
    migrationLoaderStrategies: [{ extensions: ['.sql'], loader: files => Promise.all(files.map(readUp)) }],
    logger: { info: ignore, warn: ignore, error: ignore },
  })
  return applied.length
}

/** One file as one step. `noTransaction` keeps the runner from opening a transaction inside ours. */
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
