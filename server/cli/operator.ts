/** What the commands that administer the database have in common: who acts, and what a failure means. */
import { userInfo } from 'node:os'
import type { Origin } from '../../src/audit/audit.js'
import { databaseFault } from '../../src/database/database-fault.js'
import { Problem, SqlState, sqlState } from '../../src/problems/problem.js'

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

export function explain(error: unknown): string {
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
