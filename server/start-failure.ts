/**
 * The reason why a gateway cannot start, for its operator: what happened, then what to do. A plain Error, or one with
 * a code (of the system or the database), says what to fix; any other error is our fault and shows its stack.
 */
import { databaseFault } from '../src/database/database-fault.js'
import { SqlState, sqlState } from '../src/problems/problem.js'

/** @param databaseUrl the URL of its database; undefined: the embedded one. */
export function startFailure(error: unknown, databaseUrl: string | undefined): string {
  if (!(error instanceof Error)) return String(error)
  const remedy = databaseRemedy(sqlState(error) ?? '', databaseUrl)
  if (remedy !== undefined) return `${error.message}. ${remedy}`
  if (databaseFault(error)?.name === 'away') {
    return 'the database cannot be reached. Check DATABASE_URL, and whether the database runs.'
  }
  // A worker's parent binds the port for it.
  if ('syscall' in error && (error.syscall === 'listen' || error.syscall === 'bind')) {
    return `${error.message}. Stop the program that uses this port, or set another PORT (or HOST).`
  }
  return error.constructor === Error || 'code' in error ? error.message : (error.stack ?? error.message)
}

function databaseRemedy(state: string, databaseUrl: string | undefined): string | undefined {
  const { role, database } = namesIn(databaseUrl)
  if (state === SqlState.insufficientPrivilege) {
    return (
      `The role in DATABASE_URL must own the schema sluice. If the schema does not exist yet, allow the role to create it, as ` +
      `the owner of the database: grant create on database ${database} to ${role}; If another role owns it, connect as that ` +
      `role, or, as a superuser: reassign owned by THAT_ROLE to ${role};`
    )
  }
  if (state === '3D000') {
    return `Create it (create database ${database} owner ${role};), or set DATABASE_URL to another one.`
  }
  // The role does not exist, has another password, or may not connect from here.
  if (state.startsWith('28')) {
    return (
      `Check the user and the password in DATABASE_URL. If the role does not exist, create it as a superuser: ` +
      `create role ${role} login password '…'; if pg_hba.conf refuses the connection, allow it there.`
    )
  }
  return undefined
}

/** `postgres://role:password@host/database?…`; not by `new URL`, which refuses the empty host of a Unix socket. */
const NAMES = /^\w+:\/\/(?:([^:@/?]*)(?::[^@/?]*)?@)?[^/?]*\/?([^?]*)/

/** The names as written in SQL; placeholders if the URL does not contain them. */
function namesIn(databaseUrl = ''): { role: string; database: string } {
  const [, role, database] = NAMES.exec(databaseUrl) ?? []
  return {
    role: role ? identifier(decoded(role)) : 'THE_ROLE',
    database: database ? identifier(decoded(database)) : 'THE_DATABASE',
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}
