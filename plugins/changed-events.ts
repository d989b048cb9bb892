/** Drops events from the memory of this process when they were changed in the log. */
import fp from 'fastify-plugin'
import { ChangedEvents } from '../src/hub/changed-events.js'

declare module 'fastify' {
  interface FastifyInstance {
    changedEvents: ChangedEvents
  }
}

export default fp(
  async app => {
    const { database, tailer, hub, log: logger, wake: onCommitted } = app
    const changedEvents = new ChangedEvents({
      database,
      tailer,
      pages: hub.starts.pages,
      logger,
      onCommitted,
    })
    app.decorate('changedEvents', changedEvents)
    app.addHook('onReady', () => changedEvents.start())
    app.addHook('onClose', async () => changedEvents.close())
  },
  { name: 'changed-events', dependencies: ['database', 'tailer', 'hub'] },
)
