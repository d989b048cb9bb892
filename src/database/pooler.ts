/**
 * Connections through a pooler, which may give each transaction a different session of the server. So nothing depends on the
 * session: every statement runs in a transaction that first sets its settings, and no statement is prepared by name. A
 * statement outside a transaction gets a transaction of its own, at the cost of two more round trips.
 */
import type pg from 'pg'
import { sqlState } from '../problems/problem.js'
import { databaseFault } from './database-fault.js'

/** @param pins the statement that applies the settings to the rest of its transaction. */
export function throughPooler(pool: pg.Pool, begin: string, pins: string): void {
  pool.on('connect', client => {
    Object.assign(client, { query: transactional(client, begin, pins) })
  })
  Object.assign(pool, { query: queryBy(pool) })
}

/** `query` of a pool. It takes a connection for each query, and discards it after a fault that may have broken it. */
export function queryBy(pool: Pick<pg.Pool, 'connect'>) {
  return async (statement: string | pg.QueryConfig, values?: unknown[]) => {
    const client = await pool.connect()
    let broken = false
    try {
      return await client.query(statement, values)
    } catch (error) {
      broken = databaseFault(error)?.discard ?? false
      throw error
    } finally {
      client.release(broken)
    }
  }
}

/**
 * `query` of a client, in which every statement runs in a transaction that has set its own settings.
 * @param more options for each statement, such as how its values are parsed.
 */
export function transactional(
  client: pg.ClientBase,
  begin: string,
  pins: string,
  more: Partial<pg.QueryConfig> = {},
) {
  const query = client.query.bind(client)
  const send = (statement: unknown, values?: unknown) => Reflect.apply(query, client, [statement, values])
  let open = false

  const alone = async (statement: unknown, values: unknown) => {
    await send(`${begin}; ${pins}`)
    try {
      const result = await send(statement, values)
      await send('commit')
      return result
    } catch (error) {
      // The server has not answered: no ROLLBACK, the connection is discarded. Any other error without an SQLSTATE is one of this process,
      // such as a number beyond 2^53, and the connection is used again.
      if (sqlState(error) !== undefined || databaseFault(error) === undefined) await send('rollback')
      throw error
    }
  }

  return (statement: string | pg.QueryConfig, values?: unknown[]) => {
    const given = typeof statement === 'string' ? { text: statement } : statement
    if (given.text.startsWith('begin')) {
      open = true
      return send(`${given.text}; ${pins}`)
    }
    if (given.text === 'commit' || given.text === 'rollback') {
      open = false
      return send(given.text)
    }
    const unnamed = { ...given, ...more, name: undefined }
    return open ? send(unnamed, values) : alone(unnamed, values)
  }
}
