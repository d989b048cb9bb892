/** The pool of connections to the database: opened with the app, closed with it. */
import fp from 'fastify-plugin'
import { createPool, type Database } from '../src/database/pool.js'

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
  }
}

export interface DatabaseOptions {
  /** `postgres://…` */
  readonly url: string
  /** Connections that are kept at most. */
  readonly max: number
  /** Whether a pooler stands between, which refuses startup parameters that it does not track. Default false. */
  readonly pooled?: boolean
}

export default fp<DatabaseOptions>(
  async (app, { url, max, pooled = false }) => {
    const database = createPool(url, {
      max,
      name: 'sluice',
      ...(pooled && { statementTimeoutMs: 0 }),
      onError: error => app.log.warn({ err: error }, 'A database connection was lost.'),
    })
    app.decorate('database', database)
    app.addHook('onClose', async () => database.end())
  },
  { name: 'database' },
)
