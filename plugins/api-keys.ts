/** API keys, cached for a few seconds. Code that changes a key must also remove it from the cache. */
import fp from 'fastify-plugin'
import { ApiKeys } from '../src/auth/api-keys/api-keys.js'

declare module 'fastify' {
  interface FastifyInstance {
    apiKeys: ApiKeys
  }
}

export default fp(
  async app => {
    const apiKeys = new ApiKeys({ database: app.database, logger: app.log })
    app.decorate('apiKeys', apiKeys)
    app.addHook('onReady', async () => apiKeys.start())
    app.addHook('onClose', async () => apiKeys.close())
  },
  { name: 'api-keys', dependencies: ['database'] },
)
