/**
 * Assigns each SQLSTATE to its cause (PostgreSQL manual, appendix A). One table decides for every caller of the
 * database: the HTTP response, the notice on a stream, whether to retry, and the log level.
 *
 * An error in the table is caused by the database, its operator or the moment: the same request may succeed later, so
 * the response is 503, or `unavailable` on a stream. Every other error is our fault: 500, and a line of level
 * `error`. The errors of our own functions (SL…) are translated before.
 */
import { isConnectionError, Problem, sqlState, unavailable } from '../problems/problem.js'

const DATABASE_FAULTS = [
  'away',
  'read-only',
  'not-set-up',
  'out-of-resources',
  'broken',
  'too-slow',
  'contended',
] as const
export type DatabaseFaultName = (typeof DATABASE_FAULTS)[number]

export interface DatabaseFault {
  readonly name: DatabaseFaultName
  /** `error` if a person has to act before it can work again. */
  readonly level: 'warn' | 'error'
  /** The connection is dead, or leads to the wrong server: do not use it again. */
  readonly discard: boolean
}

const AWAY: DatabaseFault = { name: 'away', level: 'warn', discard: true }
const READ_ONLY: DatabaseFault = { name: 'read-only', level: 'warn', discard: true }
const NOT_SET_UP: DatabaseFault = { name: 'not-set-up', level: 'error', discard: true }
const OUT_OF_RESOURCES: DatabaseFault = { name: 'out-of-resources', level: 'warn', discard: false }
const BROKEN: DatabaseFault = { name: 'broken', level: 'error', discard: true }
const TOO_SLOW: DatabaseFault = { name: 'too-slow', level: 'warn', discard: false }
const CONTENDED: DatabaseFault = { name: 'contended', level: 'warn', discard: false }

/** By SQLSTATE or its prefix; the longest match counts. */
const FAULTS: Readonly<Record<string, DatabaseFault>> = {
  // The connection: it broke, was refused, or was ended by an administrator, a crash or a shutdown.
  '08': AWAY,
  '57P': AWAY,
  '57000': AWAY,
  // A standby, a demoted primary, or default_transaction_read_only.
  '25006': READ_ONLY,
  // Timeouts of the server. The first two end the session too.
  '25P03': { ...TOO_SLOW, discard: true },
  '25P04': { ...TOO_SLOW, discard: true },
  '57014': TOO_SLOW,
  // Rolled back in favour of other transactions. Nothing was stored.
  '40': CONTENDED,
  '55006': CONTENDED,
  '55P03': CONTENDED,
  // For the operator: password, database, schema, tables, functions, roles, rights; as during or after a restore into
  // another server.
  '28': NOT_SET_UP,
  '3D': NOT_SET_UP,
  '3F': NOT_SET_UP,
  '42501': NOT_SET_UP,
  '42704': NOT_SET_UP,
  '42883': NOT_SET_UP,
  '42P01': NOT_SET_UP,
  '55P02': NOT_SET_UP,
  // A pooler that shares prepared statements between connections.
  '26000': NOT_SET_UP,
  '42P05': NOT_SET_UP,
  // Disk, memory, connections, the NOTIFY queue. A full disk needs a person.
  '53': OUT_OF_RESOURCES,
  '53100': { ...OUT_OF_RESOURCES, level: 'error' },
  '54000': OUT_OF_RESOURCES,
  // Faults of the server: files, the disk below it, corruption, bugs.
  '58': BROKEN,
  F0: BROKEN,
  XX: BROKEN,
}

const SENTENCES: Readonly<Record<DatabaseFaultName, string>> = {
  away: 'The database cannot be reached right now.',
  'read-only': 'The database is read-only right now, so nothing can be changed.',
  'not-set-up': 'The database lacks something that this gateway needs. The log of the gateway names it.',
  'out-of-resources': 'The database is out of a resource right now, such as disk space or connections.',
  broken: 'The database reports a fault of its own.',
  'too-slow': 'The database took too long.',
  contended: 'Other transactions are changing the same data.',
}

/** Undefined for an error that a retry cannot fix, and for one that the database did not cause. */
export function databaseFault(error: unknown): DatabaseFault | undefined {
  const state = sqlState(error)
  if (state === undefined) return isConnectionError(error) ? AWAY : undefined
  return FAULTS[state] ?? FAULTS[state.slice(0, 3)] ?? FAULTS[state.slice(0, 2)]
}

/** The log level of an error that will be retried. */
export function levelOf(error: unknown): 'warn' | 'error' {
  return databaseFault(error)?.level ?? 'error'
}

/**
 * The log level of a failed turn of a loop on the database. Undefined for a fault of the database: the tailer and the database
 * watch report it, once for the whole process.
 */
export function levelOfOtherFault(error: unknown): 'error' | undefined {
  return databaseFault(error) ? undefined : 'error'
}

/** The fault behind a Problem or an error of the database; undefined if it is neither. */
export function faultNameOf(error: unknown): DatabaseFaultName | undefined {
  if (!(error instanceof Problem)) return databaseFault(error)?.name
  return DATABASE_FAULTS.find(name => name === error.members.database)
}

/**
 * The member of an `unavailable` that says why the database cannot serve. An unreachable database needs no further
 * explanation.
 */
export function databaseMember(name: DatabaseFaultName | undefined): {
  readonly database?: DatabaseFaultName
} {
  return name === undefined || name === 'away' ? {} : { database: name }
}

/**
 * The Problem for a caller.
 * @param note further information for the retry, such as that nothing was stored.
 */
export function faultProblem(name: DatabaseFaultName, cause?: unknown, note?: string): Problem {
  const detail = [SENTENCES[name], note, 'Try again.'].filter(part => part !== undefined).join(' ')
  if (name === 'contended') return unavailable('contention', detail, 1, cause)
  return new Problem(503, 'database-unavailable', detail, { retry_after: 2, database: name }, { cause })
}
