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
  pool.on('connect', client => alwaysInTransaction(client, begin, pins))
  Object.assign(pool, {
    async query(statement: pg.QueryConfig, values?: unknown[]) {
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
    },
  })
}

function alwaysInTransaction(client: pg.PoolClient, begin: string, pins: string): void {
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
      // Without an SQLSTATE the server has not answered: no ROLLBACK, the connection is discarded.
      if (sqlState(error) !== undefined) await send('rollback')
      throw error
    }
  }

  Object.assign(client, {
    query(statement: string | pg.QueryConfig, values?: unknown[]) {
      const text = typeof statement === 'string' ? statement : statement.text
      if (text.startsWith('begin')) {
        open = true
        return send(`${text}; ${pins}`)
      }
      if (text === 'commit' || text === 'rollback') {
        open = false
        return send(text)
      }
      const unnamed = typeof statement === 'string' ? statement : { ...statement, name: undefined }
      return open ? send(unnamed, values) : alone(unnamed, values)
    },
  })
}
