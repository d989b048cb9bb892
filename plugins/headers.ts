/** Headers that every answer carries, streams and refusals included. */
import fp from 'fastify-plugin'

export default fp(
  async app => {
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
    })

    // Answers that needed a token are one principal's; a cache must not keep them unless the route says how.
    app.addHook('onSend', async (request, reply) => {
      if (request.routeOptions.config.access !== 'public' && !reply.hasHeader('cache-control')) {
        reply.header('cache-control', 'no-store')
      }
    })
  },
  { name: 'headers' },
)
