/**
 * Whether a change whose statement or COMMIT failed may be stored all the same. A caller that reads "Nothing was stored" sends
 * its change again, so that sentence must be true.
 */
import { sqlState } from '../problems/problem.js'
import { databaseFault } from './database-fault.js'

/** Errors of a session that never began: the password, the database, too many sessions, a server that starts or stops. */
const BEFORE_THE_SESSION = /^(28...|3D...|53300|57P03)$/
/** Errors of a connection that was never made. EHOSTUNREACH and its like can end one that was. */
const BEFORE_THE_CONNECTION = /^(ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EMFILE|ENFILE|EADDRNOTAVAIL)$/
const CONNECTING = /^timeout exceeded when trying to connect/

/**
 * False if the error shows that the change was undone. True if the connection or the session ended instead: a server that finds
 * its disk full while it writes the WAL of a COMMIT reports 53100 and crashes, and that COMMIT may be on the disk already.
 */
export function mayBeStored(error: unknown): boolean {
  const fault = databaseFault(error)
  if (!fault || !(error instanceof Error)) return false
  const state = sqlState(error)
  if (state === undefined) return !isUnconnected(error)
  if (BEFORE_THE_SESSION.test(state)) return false
  // FATAL and PANIC end the session. The word is in the language of the server (PostgreSQL manual, Error and Notice Message
  // Fields): in another one nothing is claimed.
  return fault.name === 'away' || (fault.name !== 'contended' && severityOf(error) !== 'ERROR')
}

function isUnconnected(error: Error): boolean {
  if (error instanceof AggregateError || CONNECTING.test(error.message)) return true
  return 'code' in error && BEFORE_THE_CONNECTION.test(String(error.code))
}

function severityOf(error: Error): unknown {
  return 'severity' in error ? error.severity : undefined
}
