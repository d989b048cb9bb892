/** The metrics of jobs, where the gateway has them. */
import fp from 'fastify-plugin'
import { type QueueFigures, readQueueFigures } from '../src/jobs/queue-figures.js'

/** How long the figures of the queue are used, in ms, however often somebody asks. */
const QUEUE_FIGURES_MS = 5_000

export default fp(
  async app => {
    const { database, leases, metrics } = app
    let figures: Promise<QueueFigures> | undefined
    let readAt = 0
    const queue = () => {
      const now = performance.now()
      if (!figures || now - readAt > QUEUE_FIGURES_MS) {
        readAt = now
        figures = readQueueFigures(database)
      }
      return figures
    }
    metrics.show('jobs', async () => {
      const { queued, running } = await queue()
      return [
        { labels: { status: 'queued' }, value: queued },
        { labels: { status: 'running' }, value: running },
      ]
    })
    metrics.show('queueAge', async () => [{ value: (await queue()).oldestSeconds }])
    metrics.show('leasesLost', () => [{ value: leases.lost }])
  },
  { name: 'job-metrics', dependencies: ['database', 'jobs', 'metrics'] },
)
