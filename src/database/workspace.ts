/**
 * The second wall between workspaces: a request's statements run in a transaction that is told its workspace, and in
 * it the tables show no other's rows and take none for another (migrations/0001_row_level_security.sql). So a `where`
 * that is forgotten or wrong finds nothing of somebody else's (I7).
 *
 * It guards against our own mistakes. It is no cage for SQL that an attacker writes: that could tell the
 * transaction another workspace.
 */
import pg from 'pg'
import { SqlState, sqlState } from '../problems/problem.js'
import { gateOf } from './fair-gate.js'
import { beginning, type Database, type TransactionMode, transact } from './pool.js'
import { renewWall, type Wall, wallOf } from './row-level-security.js'

declare const walled: unique symbol
/** A connection in a transaction of one workspace. Statements of requests ask for it, so that none can do without. */
export type WorkspaceClient = pg.PoolClient & { readonly [walled]: true }

/**
 * As `inTransaction`, in which there is nothing but one workspace. COMMIT and ROLLBACK end that too.
 * @param workspace of the principal, never of the request's content.
 */
export async function inWorkspace<T>(
  database: Database,
  workspace: string,
  work: (client: WorkspaceClient) => Promise<T>,
  mode?: TransactionMode,
): Promise<T> {
  // To the tables' owner an empty one would be all of them.
  if (workspace === '') throw new TypeError('A transaction was to be told a workspace without a name.')
  const told = `${beginning(mode)}; set local sluice.workspace = ${pg.escapeLiteral(workspace)}`
  let begun = false
  const attempt = ({ role }: Wall) => {
    const begin = role === undefined ? told : `${told}; set local role ${role}`
    return gateOf(database).run(workspace, () =>
      transact(database, begin, client => {
        begun = true
        return work(client as WorkspaceClient)
      }),
    )
  }
  const wall = await wallOf(database)
  try {
    return await attempt(wall)
  } catch (error) {
    if (wall.role === undefined || !lacksRole(error, begun)) throw error
    const renewed = renewWall(database)
    if (!begun) return attempt(await renewed)
    // The next request finds the rights in place. This one is not repeated: it may have done more than its statements.
    renewed.catch(() => undefined)
    throw error
  }
}

/** Whether the role of requests is gone, or lacks its rights. To take on one that is not there is 22023. */
function lacksRole(error: unknown, begun: boolean): boolean {
  const state = sqlState(error)
  return state === SqlState.insufficientPrivilege || (!begun && state === SqlState.invalidParameterValue)
}
