/** The jobs and projects of this gateway, and the sweep of expired leases and queued jobs while the app runs. */
import fp from 'fastify-plugin'
import { Jobs, type JobsOptions } from '../src/jobs/jobs.js'
import { Leases } from '../src/jobs/leases.js'
import { Projects } from '../src/jobs/projects.js'

declare module 'fastify' {
  interface FastifyInstance {
    jobs: Jobs
    projects: Projects
    leases: Leases
  }
}

export interface JobsPluginOptions {
  /** Seconds that a job waits for a runner, at most; 0: any time. */
  readonly maxQueueAge: number
  /** Whether commands are refused in projects that no admin has declared. */
  readonly declaredOnly: boolean
}

export default fp<JobsPluginOptions>(
  async (app, { maxQueueAge, declaredOnly }) => {
    const { database, hub, log: logger, serverState, wake: onCommitted, announce: onReported, tracing } = app
    const admit: JobsOptions['admit'] = ({ workspace, id }, amounts, key) =>
      app.quota.admit(workspace, amounts, () => app.keyStored(workspace, id, key))
    const leases = new Leases({
      database,
      logger,
      maxQueueAge,
      onCommitted,
      paused: () => serverState.mode === 'maintenance',
    })
    app.decorate('jobs', new Jobs({ database, hub, admit, onCommitted, onReported, declaredOnly, tracing }))
    app.decorate('leases', leases)
    app.decorate('projects', new Projects(database))
    app.addHook('onReady', async () => leases.start())
    app.addHook('onClose', () => leases.close())
  },
  { name: 'jobs', dependencies: ['database', 'hub', 'server-state', 'tailer', 'tracing', 'usage'] },
)
