/**
 * Connections through a pooler, which may give each transaction another session of the server. So nothing is kept in
 * a session: every statement runs in a transaction that first sets what it depends on, and none is prepared under a name.
 * A statement outside of a transaction gets one of its own, which takes two round trips more.
 */
import type pg from 'pg'
import { sqlState } from '../problems/problem.js'
import { databaseFault } from './database-fault.js'

/** @param pins the statement that sets what the rest of its transaction depends on. */
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
      // Whoever does not answer is not asked again: the connection is given up.
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
