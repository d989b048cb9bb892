/** The metrics of consumers and webhooks, as this process has last found them in the database. */
import fp from 'fastify-plugin'

export default fp(
  async app => {
    const { lagWatch, metrics } = app
    metrics.show('consumers', () =>
      Object.entries(lagWatch.figures?.counts ?? {}).flatMap(([kind, counts]) =>
        Object.entries(counts).map(([state, value]) => ({ labels: { kind, state }, value })),
      ),
    )
    metrics.show('consumerLag', () => (lagWatch.figures ? [{ value: lagWatch.figures.maxLagSeconds }] : []))
  },
  { name: 'consumer-metrics', dependencies: ['consumers', 'metrics'] },
)
