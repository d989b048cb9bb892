/** Serves the API's description as a page, at /docs. */
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'

/** Allows what the page needs: its own files, styles in its markup, and images inside its styles. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export default fp(
  async app => {
    await app.register(async docs => {
      docs.addHook('onRoute', route => {
        route.config = { ...route.config, access: 'public', grants: 'none' }
      })
      docs.addHook('onSend', async (_request, reply) => {
        if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-cache')
      })
      await docs.register(swaggerUi, {
        routePrefix: '/docs',
        uiConfig: { persistAuthorization: false },
        staticCSP: POLICY,
      })
    })
  },
  { name: 'docs', dependencies: ['openapi'] },
)
