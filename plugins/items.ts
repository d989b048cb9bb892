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
    const { database, announce: onCommitted, quota, tracing } = app
    const admit = (workspace: string, events: number) => quota.admit(workspace, { events })
    app.decorate('items', new Items({ database, admit, onCommitted, tracing }))
  },
  { name: 'items', dependencies: ['database', 'tailer', 'tracing', 'usage'] },
)
