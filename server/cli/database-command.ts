/** What the commands that administer the database have in common: their run, who acts, and what a failure means. */
import { userInfo } from 'node:os'
import type { Origin } from '../../src/audit/audit.js'
import { ConfigError } from '../../src/config/config.js'
import { databaseFault } from '../../src/database/database-fault.js'
import { createPool, type Database } from '../../src/database/pool.js'
import { Problem, SqlState, sqlState } from '../../src/problems/problem.js'
import { databaseAddress } from '../database-address.js'
import { type Environment, messageOf, runCommand } from './command.js'

/** @returns false if a part of it was refused; the reason is written by then. */
export type Work = (database: Database) => Promise<boolean | undefined>

export interface DatabaseCommand {
  /** Shown as application_name in pg_stat_activity. */
  readonly name: string
  /** Printed for `--help`, and after an error of usage. */
  readonly usage: string
  readonly args: readonly string[]
  readonly env: Environment
  /** Checks all arguments before the database is used. @throws {UsageError} */
  workOf(): Work
}

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage. */
export function runOnDatabase({ name, usage, args, env, workOf }: DatabaseCommand): Promise<0 | 1 | 2> {
  const run = async () => {
    const work = workOf()
    const options = { max: 1, name, pooled: true, onError: () => undefined }
    const database = createPool(await databaseAddress(env), options)
    try {
      return await work(database)
    } finally {
      await database.end()
    }
  }
  return runCommand({ usage, args, run, explain, isMisuse: error => error instanceof ConfigError })
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
  return messageOf(error)
}
