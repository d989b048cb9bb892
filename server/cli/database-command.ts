/** The common part of the commands that administer the database: how they run, who acts, and what a failure means. */
import { userInfo } from 'node:os'
import type { Origin } from '../../src/audit/audit.js'
import { ConfigError } from '../../src/config/config.js'
import { databaseFault } from '../../src/database/database-fault.js'
import { createPool, type Database } from '../../src/database/pool.js'
import { Problem, SqlState, sqlState } from '../../src/problems/problem.js'
import { databaseAddress } from '../database-address.js'
import { ExitCode, Failure } from './exit-code.js'
import type { Environment } from './option.js'

/** @returns false if a part of it was refused; the reason is written by then. */
export type Work = (database: Database) => Promise<boolean | undefined>

/**
 * Runs work on the database that the environment names.
 * @param name shown as application_name in pg_stat_activity.
 * @returns the exit code. @throws {Failure} with a text for a person.
 */
export async function runOnDatabase(name: string, env: Environment, work: Work): Promise<number> {
  try {
    const options = { max: 1, name, pooled: true, onError: () => undefined }
    const database = createPool(await databaseAddress(env), options)
    try {
      return (await work(database)) === false ? ExitCode.failed : ExitCode.done
    } finally {
      await database.end()
    }
  } catch (error) {
    throw new Failure(explain(error), error instanceof ConfigError ? ExitCode.usage : ExitCode.failed)
  }
}

export function originOf(workspace: string): Origin {
  return { workspace, principal: `command-line:${userName()}`, address: null, requestId: null }
}

/** The name of the user; in a container it may have none. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown')
  }
}

function explain(error: unknown): string {
  const fault = databaseFault(error)?.name
  if (fault === 'away') {
    return 'The database cannot be reached. Check DATABASE_URL, or whether the gateway runs on DATA_DIR.'
  }
  if (fault === 'read-only') {
    return 'The database is read-only. Set DATABASE_URL to the primary.'
  }
  if (sqlState(error) === SqlState.undefinedTable) {
    return 'The database has no Sluice tables, or older ones. Start the gateway once to create them.'
  }
  if (error instanceof Problem) return error.detail
  return error instanceof Error ? error.message : String(error)
}
