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
    app.addHook('preClose', async () => {
      state.drain()
      await hub.drain(drainMs)
    })
    app.addHook('onClose', async () => state.close())
  },
  { name: 'server-state', dependencies: ['database', 'bus', 'tailer', 'hub'] },
)
