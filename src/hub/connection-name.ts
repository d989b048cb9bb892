/**
 * Names of connections. Each is a UUID of version 8 (RFC 9562 §5.8): its first 32 bits are those of the id of the process that
 * holds the connection, so that another process knows whose it is; the other 90 are random, so nobody can guess it.
 */
import { randomUUID } from 'node:crypto'
import { flatText } from '../bytes/flat-text.js'

const PREFIX = 8

/** The part of the id of a process that its connections begin with: its name in lists of clients. */
export function nodeOf(process: string): string {
  return process.slice(0, PREFIX)
}

/** @param process the id of this process: a UUID. */
export function nameConnection(process: string): string {
  const random = randomUUID()
  return flatText(`${nodeOf(process)}${random.slice(PREFIX, 14)}8${random.slice(15)}`)
}

/** Whether the process of this id has named the connection. Two processes share these 32 bits once in 4 × 10^9. */
export function isNamedBy(process: string, connection: string): boolean {
  return nodeOf(process) === nodeOf(connection).toLowerCase()
}
