/** The publisher of this process: it refuses new events when the app closes, and answers those in flight. */
import fp from 'fastify-plugin'
import { Publisher } from '../src/log/publisher.js'

declare module 'fastify' {
  interface FastifyInstance {
    publisher: Publisher
  }
}

export default fp(
  async app => {
    const publisher = new Publisher({
      database: app.database,
      onCommitted: app.announce,
      tracing: app.tracing,
    })
    app.decorate('publisher', publisher)
    app.addHook('onClose', () => publisher.close())
  },
  { name: 'publisher', dependencies: ['database', 'tailer', 'tracing'] },
)
