/** Whether those who are in, or come in, still may; and what all processes are told of changes of that. */
import fp from 'fastify-plugin'
import { AccessLog } from '../src/access/access-log.js'
import { Guard } from '../src/access/guard.js'

declare module 'fastify' {
  interface FastifyInstance {
    guard: Guard
  }
}

export default fp(
  async app => {
    const { database, hub, tailer, log: logger, apiKeys: keys } = app
    const guard = new Guard({ database, hub, keys })
    const accessLog = new AccessLog({ database, tailer, logger, guard })
    app.decorate('guard', guard)
    app.addHook('onReady', () => accessLog.start())
    app.addHook('onClose', async () => accessLog.close())
  },
  { name: 'access', dependencies: ['database', 'api-keys', 'hub'] },
)
