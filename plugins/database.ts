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
}

export default fp<DatabaseOptions>(
  async (app, { url, max }) => {
    const database = createPool(url, {
      max,
      name: 'sluice',
      onError: error => app.log.warn({ err: error }, 'idle database connection lost'),
    })
    app.decorate('database', database)
    app.addHook('onClose', async () => database.end())
  },
  { name: 'database' },
)
