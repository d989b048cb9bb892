/** `sluice migrate`: brings a database to the schema of this version, before or without a gateway. */
import { join } from 'node:path'
import { ConfigError } from '../../../src/config/config.js'
import { migrate } from '../../../src/database/migrate.js'
import { appliedNames, migrationNames } from '../../../src/database/migration-files.js'
import { createPool } from '../../../src/database/pool.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { databaseAddress } from '../../database-address.js'
import { startFailure } from '../../start-failure.js'
import { command } from '../declaration.js'
import { ExitCode, Failure } from '../exit-code.js'
import { flag } from '../option.js'

export const migrateCommand = command({
  description: `Applies the migrations that the database lacks, in one transaction: all or none. A gateway does the same at its start;
this is for a role that may create the schema, or for a time of your choice. Running gateways continue to work.`,
  options: {
    dryRun: flag('--dry-run', 'apply nothing, but list what is pending'),
    json: flag('--json', 'print {"applied":[…],"pending":[…],"newer":[…]}, as it is afterwards'),
  },
  examples: ['DATABASE_URL=postgres://name@host/database sluice migrate --dry-run', 'sluice migrate'],
  notes: `The database is that of DATABASE_URL, or the embedded Postgres of the gateway that runs on DATA_DIR. While the tables are locked
gateways wait, usually for less than a second. A database that a newer Sluice has migrated is refused.`,
  exitCodes:
    '0 the database is up to date, 1 failed, or with --dry-run: migrations are pending, 2 wrong usage or configuration',
  async run({ options: { dryRun, json }, env, terminal }) {
    const url = await databaseAddress(env).catch(error => {
      throw new Failure(error.message, error instanceof ConfigError ? ExitCode.usage : ExitCode.failed)
    })
    try {
      const before = await stateOf(url)
      if (!dryRun) await migrate(url)
      const state = dryRun ? before : await stateOf(url)
      if (json) await terminal.out.write(`${JSON.stringify(state)}\n`)
      else await terminal.out.write(textOf(state, before, dryRun))
      return state.pending.length > 0 || state.newer.length > 0 ? ExitCode.failed : ExitCode.done
    } catch (error) {
      throw new Failure(`The database is not migrated: ${startFailure(error, url)}`)
    }
  },
})

interface MigrationState {
  readonly applied: readonly string[]
  readonly pending: readonly string[]
  /** Applied by a version that this one does not know. */
  readonly newer: readonly string[]
}

async function stateOf(url: string): Promise<MigrationState> {
  const folder = join(packageRoot, 'migrations')
  const [known, old] = await Promise.all([migrationNames(folder), migrationNames(join(folder, 'unsquashed'))])
  const database = createPool(url, { max: 1, name: 'sluice migrate', pooled: true, onError: () => undefined })
  try {
    const client = await database.connect()
    const applied = await appliedNames(client).finally(() => client.release())
    return {
      applied,
      pending: known.filter(name => !applied.includes(name)),
      newer: applied.filter(name => !known.includes(name) && !old.includes(name)),
    }
  } finally {
    await database.end()
  }
}

function textOf(
  { pending, newer, applied }: MigrationState,
  before: MigrationState,
  dryRun: boolean,
): string {
  if (newer.length > 0) {
    return `A newer Sluice has migrated the database: ${newer.join(', ')}. Run that version or a newer one.\n`
  }
  const done = before.pending.filter(name => applied.includes(name))
  const lines = (dryRun ? pending : done).map(name => `${dryRun ? 'pending' : 'applied'}  ${name}\n`).join('')
  return lines || `Nothing is pending: the database has all ${applied.length} migrations.\n`
}
