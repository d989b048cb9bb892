/** The jobs of this gateway, and the sweep of expired leases while the app runs. */
import fp from 'fastify-plugin'
import { Jobs } from '../src/jobs/jobs.js'
import { Leases } from '../src/jobs/leases.js'

declare module 'fastify' {
  interface FastifyInstance {
    jobs: Jobs
  }
}

export default fp(
  async app => {
    const { database, hub, log: logger, serverState, wake: onCommitted, announce: onReported } = app
    const leases = new Leases({
      database,
      logger,
      onCommitted,
      paused: () => serverState.mode === 'maintenance',
    })
    app.decorate('jobs', new Jobs({ database, hub, onCommitted, onReported }))
    app.addHook('onReady', async () => leases.start())
    app.addHook('onClose', () => leases.close())
  },
  { name: 'jobs', dependencies: ['database', 'hub', 'server-state', 'tailer'] },
)
