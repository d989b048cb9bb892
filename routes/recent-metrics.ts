/** GET /api/server/metrics: the main metrics of the last hour, for the overview of the console. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { BUCKETS } from '../src/metrics/distribution.js'
import { RecentSample, SAMPLE_MS } from '../src/metrics/recent-metrics.js'
import { assertMayReadMetrics, type OperatorOptions } from './operators.js'

export interface RecentMetricsOptions extends OperatorOptions {
  /** The samples of all processes behind the same port, where there are several. */
  readonly collectRecentMetrics?: (() => Promise<readonly RecentSample[]>) | undefined
}

const Query = Type.Object(
  {
    after: Type.Optional(
      Type.Integer({ description: 'Only samples after this time, in milliseconds since 1970.' }),
    ),
  },
  { additionalProperties: false },
)
const Recent = Type.Object({
  every_ms: Type.Integer({ description: 'Milliseconds from one sample to the next.' }),
  buckets: Type.Array(Type.Number(), { description: 'The upper ends of the buckets, in seconds.' }),
  samples: Type.Array(RecentSample, { description: 'Oldest first, of at most an hour.' }),
})

const recentMetrics: FastifyPluginAsyncTypebox<RecentMetricsOptions> = async (app, options) => {
  const { collectRecentMetrics } = options
  app.get(
    '/api/server/metrics',
    {
      config: { access: 'admin', grants: 'workspace' },
      logLevel: 'warn',
      schema: {
        tags: ['server'],
        operationId: 'getRecentMetrics',
        summary: 'Read the main metrics of the last hour',
        description: 'Without Prometheus. With `WORKERS`, the values of all workers together.',
        querystring: Query,
        response: { 200: Recent },
      },
    },
    async request => {
      assertMayReadMetrics(request, options)
      const { after = 0 } = request.query
      const samples = (await collectRecentMetrics?.()) ?? app.recentMetrics.samples()
      return {
        every_ms: SAMPLE_MS,
        buckets: [...BUCKETS],
        samples: samples.filter(({ at }) => at > after),
      }
    },
  )
}

export default recentMetrics
