/** Knows API keys, and for a few seconds remembers them. What is remembered must be forgotten when a key changes. */
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
