/** Compares the migrations of the database with those of this program. */
import { join } from 'node:path'
import { migrationNames } from '../../../src/database/migration-files.js'
import { packageRoot } from '../../../src/process/package-root.js'
import { packageVersion } from '../../../src/process/package-version.js'
import type { DatabaseProbe } from './database-probe.js'
import { type Finding, fault, ok, warning } from './finding.js'

const CHECK = 'database-migrations'

export interface MigrationFacts {
  /** The migrations of this program, in order. */
  readonly known: readonly string[]
  /** The migrations of versions before the squash, which a gateway takes over at its start. */
  readonly old: readonly string[]
  /** The migrations of the database. */
  readonly applied: readonly string[]
}

export async function checkMigrations(probe: DatabaseProbe): Promise<Finding> {
  const folder = join(packageRoot, 'migrations')
  const [known, old] = await Promise.all([migrationNames(folder), migrationNames(join(folder, 'unsquashed'))])
  const { there } = await probe.row<{ there: boolean }>(
    `select to_regclass('sluice.migrations') is not null as there`,
  )
  const applied = there
    ? await probe.rows<{ name: string }>('select name from sluice.migrations order by run_on, id')
    : []
  return judgeMigrations({ known, old, applied: applied.map(({ name }) => name) })
}

function judgeMigrations({ known, old, applied }: MigrationFacts): Finding {
  const newer = applied.filter(name => !known.includes(name) && !old.includes(name))
  const missing = known.filter(name => !applied.includes(name))
  const program = `Sluice ${packageVersion()}`
  if (applied.length === 0) {
    return fault(CHECK, 'The database has no tables of Sluice.', 'Start a gateway, or run: sluice migrate.')
  }
  if (newer.length > 0) {
    return fault(
      CHECK,
      `A newer Sluice has migrated the database: ${program} does not know ${newer.join(', ')}.`,
      'Run that version of Sluice or a newer one.',
    )
  }
  if (missing.length > 0) {
    return warning(
      CHECK,
      `The database lacks ${missing.length} of the ${known.length} migrations of ${program}, from ${missing[0]} on.`,
      'Start a gateway of this version, or run: sluice migrate.',
    )
  }
  return ok(CHECK, `The database has all ${known.length} migrations of ${program}.`)
}
