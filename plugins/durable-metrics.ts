/** The metrics of Durable Streams, where the gateway serves them. */
import fp from 'fastify-plugin'

export default fp(
  async app => {
    const { durableExpiry, durableStreams, metrics } = app
    const { tally } = durableStreams
    metrics.show('durableAppends', () =>
      Object.entries(tally.appends).map(([outcome, value]) => ({ labels: { outcome }, value })),
    )
    metrics.show('durableAppend', () => [{ value: tally.append }])
    metrics.show('durableChunks', () => [{ value: tally.chunks }])
    metrics.show('durableForks', () => [{ value: tally.forks }])
    metrics.show('durableExpired', () => [{ value: durableExpiry.removed }])
  },
  { name: 'durable-metrics', dependencies: ['durable-streams', 'metrics'] },
)
