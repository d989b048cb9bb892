/**
 * The mode of this process: normal, degraded, maintenance, draining. In maintenance, changes are refused; reading and following
 * continue. When the app closes, the mode becomes draining and the streams end, before the server waits for its connections.
 */
import fp from 'fastify-plugin'
import { ServerState } from '../src/maintenance/server-state.js'

declare module 'fastify' {
  interface FastifyInstance {
    serverState: ServerState
  }
  interface FastifyContextConfig {
    /** The route accepts changes in maintenance too. */
    inMaintenance?: true
  }
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

export interface ServerStateOptions {
  /** Maximum time, in milliseconds, over which the streams are ended when the app closes. */
  readonly drainMs: number
}

export default fp<ServerStateOptions>(
  async (app, { drainMs }) => {
    const { database, databaseWatch, bus, tailer, hub, log: logger, wake } = app
    const watch = databaseWatch
    const state = new ServerState({ database, bus, tailer, hub, watch, logger, onCommitted: wake })
    app.decorate('serverState', state)

    app.addHook('onReady', () => state.start())
    // After authentication and validation: a caller without the right, or with an invalid request, gets that error first.
    app.addHook('preHandler', async request => {
      const { inMaintenance, access } = request.routeOptions.config
      if (access === undefined || inMaintenance || READING.has(request.method)) return
      state.assertWritable()
    })
    // A proxy keeps connections for later requests. One that it still has when the server closes breaks the request that it sends there
    // at that moment, and no proxy repeats a publish. So before the end each answer ends its connection.
    app.addHook('onRequest', async (request, reply) => {
      if (state.stopsInMs !== undefined && request.raw.httpVersionMajor === 1)
        reply.header('connection', 'close')
    })
    app.addHook('preClose', async () => {
      state.drain()
      const { total: clients } = hub.clients()
      const startedAt = performance.now()
      logger.info({ clients, drainMs }, 'Draining: the streams end.')
      await hub.drain(drainMs, ended =>
        logger.info({ clients, ended }, 'Draining: half of the streams have ended.'),
      )
      const ms = Math.round(performance.now() - startedAt)
      logger.info({ clients, ended: clients - hub.clients().total, ms }, 'Drained.')
    })
    app.addHook('onClose', async () => state.close())
  },
  { name: 'server-state', dependencies: ['database', 'bus', 'tailer', 'hub'] },
)
