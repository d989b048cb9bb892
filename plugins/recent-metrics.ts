/** Samples the main metrics, for the overview of the console: `app.recentMetrics`. */
import fp from 'fastify-plugin'
import { RecentMetrics } from '../src/metrics/recent-metrics.js'
import { PeriodicLoop } from '../src/process/periodic-loop.js'

declare module 'fastify' {
  interface FastifyInstance {
    recentMetrics: RecentMetrics
  }
}

/** More often than there are samples, so that a late turn misses none. */
const TICK_MS = 1_000
/** The ways of publishing that no gateway takes part in. */
const FROM_SQL = ['sql', 'watch', 'backfill', 'job']

export default fp(
  async app => {
    const { hub, tailer } = app
    const recent = new RecentMetrics(() => ({
      clients: hub.clients().total,
      published: tailer.tally.published.total,
      fromSql: FROM_SQL.reduce((sum, way) => sum + (tailer.tally.read.counts[way] ?? 0), 0),
      delivered: hub.tally.events,
      commitToDelivery: hub.tally.commitToDelivery.cumulative(),
    }))
    app.decorate('recentMetrics', recent)
    const sampling = new PeriodicLoop({
      name: 'Sampling the metrics',
      everyMs: TICK_MS,
      logger: app.log,
      turn: () => recent.tick(Date.now()),
    }).start()
    app.addHook('onClose', () => sampling.stop())
  },
  { name: 'recent-metrics', dependencies: ['tailer', 'hub'] },
)
