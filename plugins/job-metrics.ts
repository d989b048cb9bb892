/** The metrics of jobs, where the gateway has them. */
import fp from 'fastify-plugin'
import { type QueueFigures, readQueueFigures } from '../src/jobs/queue-figures.js'
import { ANSWER_MS } from '../src/metrics/metrics.js'
import { withinDeadline } from '../src/process/deadline.js'

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
      return withinDeadline(figures, ANSWER_MS)
    }
    metrics.show('jobs', async () => {
      const known = await queue()
      return known
        ? [
            { labels: { status: 'queued' }, value: known.queued },
            { labels: { status: 'running' }, value: known.running },
          ]
        : []
    })
    metrics.show('queueAge', async () => {
      const known = await queue()
      return known ? [{ value: known.oldestSeconds }] : []
    })
    metrics.show('leasesLost', () => [{ value: leases.lost }])
  },
  { name: 'job-metrics', dependencies: ['database', 'jobs', 'metrics'] },
)
