/** The connections to the database, opened with the app and closed with it. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { DatabaseWatch } from '../src/database/database-watch.js'
import type { Database } from '../src/database/pool.js'
import { openPool, type PoolSource } from '../src/database/pool-source.js'
import { rowLevelSecurityOf } from '../src/database/row-level-security.js'

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
    /** One connection for probes, which no request can use. */
    probe: Database
    databaseWatch: DatabaseWatch
  }
}

export interface DatabaseOptions {
  readonly source: PoolSource
  /** Maximum number of connections for requests and publishing. */
  readonly max: number
}

export default fp<DatabaseOptions>(
  async (app, { source, max }) => {
    const database = openPool(source, {
      max,
      name: 'sluice',
      onError: error => app.log.warn({ err: error }, 'A database connection was lost.'),
    })
    const probe = openPool(source, {
      max: 1,
      name: 'sluice probe',
      onError: error => app.log.debug({ err: error }, 'The connection for probes was lost.'),
    })
    const watch = new DatabaseWatch({ database, logger: app.log })
    app.decorate('database', database)
    app.decorate('probe', probe)
    app.decorate('databaseWatch', watch)
    app.addHook('onReady', async () => {
      void logRowLevelSecurity(app)
      watch.start()
    })
    app.addHook('onClose', async () => {
      await watch.close()
      await Promise.all([database.end(), probe.end()])
    })
  },
  { name: 'database' },
)

/** Logs the state once, because nothing else shows it. The boot does not wait: the database may be unavailable. */
async function logRowLevelSecurity(app: FastifyInstance): Promise<void> {
  const security = await rowLevelSecurityOf(app.database).catch(() => undefined)
  if (security?.gap !== undefined)
    app.log.warn(`Row-level security does not confine requests to their workspace: ${security.gap}`)
  else if (security)
    app.log.info(`Row-level security: on${security.role ? `, requests are ${security.role}` : ''}.`)
}
