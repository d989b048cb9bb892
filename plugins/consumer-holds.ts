/** The consumers that clients of this process hold (src/consumers/holds.ts). */
import fp from 'fastify-plugin'
import { Holds } from '../src/consumers/holds.js'

declare module 'fastify' {
  interface FastifyInstance {
    holds: Holds
  }
}

export default fp(
  async app => {
    const { database, hub, consumers: signals, log: logger } = app
    const holds = new Holds({ database, node: hub.id, logger, signals })
    app.decorate('holds', holds)
    app.addHook('onReady', async () => holds.start())
    // The hub has ended all streams by then, in preClose.
    app.addHook('onClose', () => holds.close())
  },
  { name: 'consumer-holds', dependencies: ['consumers', 'database', 'hub'] },
)
