/** GET /metrics: what this gateway has counted, for Prometheus. `METRICS_PORT` serves the same without credentials. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { METRICS_TYPE } from '../src/metrics/metrics.js'
import { assertMayReadMetrics, type OperatorOptions } from './operators.js'

export interface MetricsRouteOptions extends OperatorOptions {
  /** The metrics of all processes behind the same port, where there are several. */
  readonly collectMetrics?: (() => Promise<string>) | undefined
}

const metrics: FastifyPluginAsyncTypebox<MetricsRouteOptions> = async (app, options) => {
  const { collectMetrics } = options
  app.get(
    '/metrics',
    {
      config: { access: 'admin', grants: 'workspace' },
      logLevel: 'warn',
      schema: {
        tags: ['server'],
        operationId: 'getMetrics',
        summary: 'Read the metrics',
        description: 'In the text format of Prometheus. With `WORKERS`, the values of all workers together.',
        response: {
          200: {
            description: 'The metrics.',
            content: { 'text/plain': { schema: Type.String() } },
          },
        },
      },
    },
    async (request, reply) => {
      assertMayReadMetrics(request, options)
      reply.type(METRICS_TYPE)
      return (await collectMetrics?.()) ?? app.metrics.text()
    },
  )
}

export default metrics
