/**
 * The process's connections to Postgres, and transactions on them. Every wait has a deadline: for a connection, in the server
 * (statement_timeout) and here (query_timeout), so a database that stops answering causes errors, never hanging requests.
 */
import pg from 'pg'
import { sqlState } from '../problems/problem.js'
import { databaseFault } from './database-fault.js'
import { refuseNative } from './native-driver.js'
import { throughPooler } from './pooler.js'
import { pins } from './session.js'

const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000
/** Longer than the server's own limit, which cancels cleanly; this one detects a server that no longer answers. */
export const QUERY_TIMEOUT_MS = 35_000
/** The kernel detects a peer that disappeared silently, before the next request does. */
const KEEP_ALIVE_DELAY_MS = 10_000

const INT8 = 20
const JSON_TEXT = 114

export type Database = pg.Pool
/** A statement runs on a pool, or on the client of a transaction. */
export type Queryable = pg.Pool | pg.PoolClient

export type TransactionMode = 'repeatable read, read only'

export interface PoolOptions {
  /** Maximum number of connections. */
  readonly max: number
  /** Shown as application_name in pg_stat_activity. */
  readonly name: string
  /** Whether there may be a pooler in between (pooler.ts). */
  readonly pooled?: boolean | undefined
  /** Settings in addition to those of session.ts, or overriding them. */
  readonly settings?: Readonly<Record<string, string>>
  /** Milliseconds after which a connection that does not answer is discarded. Default 35,000. */
  readonly queryTimeoutMs?: number
  /** Called for every connection that breaks, idle or in use, until the pool is ended. The pool replaces it. */
  onError(error: Error): void
}

/**
 * A pool that connects on first use. `bigint` arrives as a number (beyond 2^53 the query fails), `json` as the stored text,
 * `timestamptz` as a Date.
 * @throws if NODE_PG_FORCE_NATIVE makes it one of pg.native.
 */
export function createPool(url: string, options: PoolOptions): Database {
  const { max, name, onError, pooled = false, settings, queryTimeoutMs = QUERY_TIMEOUT_MS } = options
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: { getTypeParser },
    ...(!pooled && {
      // Also set below. Sent at connect too, so that an undeclared pooler refuses us instead of mixing up sessions.
      statement_timeout: STATEMENT_TIMEOUT_MS,
      onConnect: (client: pg.ClientBase) => client.query(pins('session', settings)).then(() => undefined),
    }),
  })
  refuseNative(pool)
  // The pool reports idle connections only. A connection that breaks in use emits `error` on the client, which would end the
  // process without a listener. A pool counts as ended before its connections are closed: a server that stops then may still
  // cut them, which does no harm.
  const report = (error: Error) => {
    if (!pool.ending) onError(error)
  }
  pool.on('connect', client => client.on('error', report))
  pool.on('error', () => undefined)
  if (pooled) throughPooler(pool, beginning(), pins('transaction', settings))
  return pool
}

/**
 * Runs `work` between BEGIN and COMMIT on one connection. If it throws, the transaction is rolled back and the error rethrown.
 * @param mode isolation and access; default read committed.
 * @throws also if COMMIT did not commit, so a returned result is stored (I1).
 */
export async function inTransaction<T>(
  database: Database,
  work: (client: pg.PoolClient) => Promise<T>,
  mode?: TransactionMode,
): Promise<T> {
  return transact(database, beginning(mode), work)
}

/** The statement that begins a transaction. Names the isolation, because the default may differ behind a pooler. */
export function beginning(mode: TransactionMode | 'read committed' = 'read committed'): string {
  return `begin isolation level ${mode}`
}

/** `inTransaction` with another first statement, which may set the transaction up in the same round trip. */
export async function transact<T>(
  database: Database,
  begin: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await database.connect()
  let broken: Error | undefined
  try {
    await client.query(begin)
    const result = await work(client)
    // If a statement of the transaction failed, COMMIT rolls back and reports success.
    const { command } = await client.query('commit')
    if (command !== 'COMMIT')
      throw new Error('The transaction was rolled back: a statement in it had failed.')
    return result
  } catch (error) {
    broken = silent(error) ? error : await rollback(client, error)
    throw error
  } finally {
    client.release(broken)
  }
}

/** Whether the server no longer answers. Waiting for the answer to a ROLLBACK would double the wait. */
function silent(error: unknown): error is Error {
  return error instanceof Error && sqlState(error) === undefined && databaseFault(error) !== undefined
}

/** The reason to discard this connection, if there is one. @param why the error of the transaction. */
async function rollback(client: pg.PoolClient, why: unknown): Promise<Error | undefined> {
  try {
    await client.query('rollback')
    return why instanceof Error && databaseFault(why)?.discard ? why : undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

export const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (oid === INT8) return toInteger
  if (oid === JSON_TEXT) return toText
  return format === 'binary' ? pg.types.getTypeParser(oid, format) : pg.types.getTypeParser(oid)
}

function toInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`The bigint ${text} is beyond 2^53 - 1.`)
  return value
}

function toText(text: string): string {
  return text
}
