/** The items of this gateway. */
import fp from 'fastify-plugin'
import { Items } from '../src/items/items.js'

declare module 'fastify' {
  interface FastifyInstance {
    items: Items
  }
}

export default fp(
  async app => {
    const { database, announce: onCommitted, tracing } = app
    app.decorate('items', new Items({ database, onCommitted, tracing }))
  },
  { name: 'items', dependencies: ['database', 'tailer', 'tracing'] },
)
