/**
 * Row-level security for requests: their statements run in a transaction that sets its workspace, and the tables then show and
 * accept rows of that workspace only (migrations/). So a forgotten or wrong `where` finds nothing of another workspace (I7).
 *
 * It protects against our own mistakes, not against SQL injection: injected SQL could set another workspace.
 */
import pg from 'pg'
import { SqlState, sqlState } from '../problems/problem.js'
import { type Gone, gateOf } from './fair-gate.js'
import { beginning, type Database, type TransactionMode, transact } from './pool.js'
import { type RowLevelSecurity, restoreRowLevelSecurity, rowLevelSecurityOf } from './row-level-security.js'

declare const boundToWorkspace: unique symbol
/** A connection in a transaction of one workspace. Statements of requests require it, so none runs without a workspace. */
export type WorkspaceClient = pg.PoolClient & { readonly [boundToWorkspace]: true }

/** The part of a workspace that a transaction may read. */
export interface Reach {
  readonly workspace: string
  /** The names of streams, and beginnings of names, that the caller's grants let it read; undefined: all. */
  readonly streams?: { readonly exact: readonly string[]; readonly prefixes: readonly string[] } | undefined
  /** Aborts when the client has gone: the transaction then waits for its turn no longer. Default: it always waits. */
  readonly gone?: Gone
}

/**
 * `inTransaction` that sees one workspace only, until COMMIT or ROLLBACK.
 * @param within the principal's workspace, never one from the request's content; or, to read, the part of it that is granted.
 */
export async function inWorkspace<T>(
  database: Database,
  within: string | Reach,
  work: (client: WorkspaceClient) => Promise<T>,
  mode?: TransactionMode,
): Promise<T> {
  const { workspace, streams, gone }: Reach = typeof within === 'string' ? { workspace: within } : within
  // For the owner of the tables, an empty workspace means all workspaces.
  if (workspace === '') throw new TypeError('The workspace of a transaction must not be empty.')
  const beginInWorkspace = `${beginning(mode)}; set local sluice.workspace = ${pg.escapeLiteral(workspace)}${limitsOf(streams)}`
  let begun = false
  const attempt = ({ role }: RowLevelSecurity) => {
    const begin = role === undefined ? beginInWorkspace : `${beginInWorkspace}; set local role ${role}`
    const run = () =>
      transact(database, begin, client => {
        begun = true
        return work(client as WorkspaceClient)
      })
    return gateOf(database).run(workspace, run, gone)
  }
  const security = await rowLevelSecurityOf(database)
  try {
    return await attempt(security)
  } catch (error) {
    if (security.role === undefined || !lacksRole(error, begun)) throw error
    const restored = restoreRowLevelSecurity(database)
    if (!begun) return attempt(await restored)
    // The next request finds the rights in place. This one is not repeated: it may have had effects outside the database.
    restored.catch(() => undefined)
    throw error
  }
}

/** Lists with a line feed between their elements, which no name contains. An empty text would mean all streams, so the names begin with one. */
function limitsOf(streams: Reach['streams']): string {
  if (!streams || streams.prefixes.includes('')) return ''
  const names = pg.escapeLiteral(`\n${streams.exact.join('\n')}`)
  const prefixes = pg.escapeLiteral(streams.prefixes.join('\n'))
  return `; set local sluice.readable_names = ${names}; set local sluice.readable_prefixes = ${prefixes}`
}

/** Whether the role of requests is gone or lacks its rights. Postgres answers 22023 to SET ROLE with an unknown role. */
function lacksRole(error: unknown, begun: boolean): boolean {
  const state = sqlState(error)
  return state === SqlState.insufficientPrivilege || (!begun && state === SqlState.invalidParameterValue)
}
