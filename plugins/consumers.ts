/** Lets the parts of this process learn at once what happens to consumers. */
import fp from 'fastify-plugin'
import { ConsumerSignals } from '../src/consumers/consumer-signals.js'

declare module 'fastify' {
  interface FastifyInstance {
    consumers: ConsumerSignals
  }
}

export default fp(
  async app => {
    app.decorate('consumers', new ConsumerSignals())
  },
  { name: 'consumers' },
)
