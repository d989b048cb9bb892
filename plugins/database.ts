/** The pool of connections to the database: opened with the app, closed with it. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { DatabaseWatch } from '../src/database/database-watch.js'
import { createPool, type Database } from '../src/database/pool.js'
import { rowLevelSecurityOf } from '../src/database/row-level-security.js'

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
    /** One connection that no request can use up, for probes. */
    probe: Database
    databaseWatch: DatabaseWatch
  }
}

export interface DatabaseOptions {
  /** `postgres://…` */
  readonly url: string
  /** Connections that are kept at most. */
  readonly max: number
  /** Whether a pooler may stand between (src/database/pool.ts). Default false. */
  readonly pooled?: boolean
}

export default fp<DatabaseOptions>(
  async (app, { url, max, pooled }) => {
    const database = createPool(url, {
      max,
      name: 'sluice',
      pooled,
      onError: error => app.log.warn({ err: error }, 'A database connection was lost.'),
    })
    const probe = createPool(url, {
      max: 1,
      name: 'sluice probe',
      pooled,
      onError: error => app.log.debug({ err: error }, 'The connection for probes was lost.'),
    })
    const watch = new DatabaseWatch({ database, logger: app.log })
    app.decorate('database', database)
    app.decorate('probe', probe)
    app.decorate('databaseWatch', watch)
    app.addHook('onReady', async () => {
      void tellOfWall(app)
      watch.start()
    })
    app.addHook('onClose', async () => {
      await watch.close()
      await Promise.all([database.end(), probe.end()])
    })
  },
  { name: 'database' },
)

/** Once, for whoever runs this: from the outside nobody can tell. Nothing waits for it: the database may be away. */
async function tellOfWall(app: FastifyInstance): Promise<void> {
  const security = await rowLevelSecurityOf(app.database).catch(() => undefined)
  if (security?.gap !== undefined)
    app.log.warn(`Row-level security does not hold requests to their workspace: ${security.gap}`)
  else if (security)
    app.log.info(`Row-level security: on${security.role ? `, requests are ${security.role}` : ''}.`)
}
