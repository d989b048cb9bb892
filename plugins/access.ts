/** Enforces revocations on new requests and on open streams, and propagates them to every process. */
import fp from 'fastify-plugin'
import { Guard } from '../src/auth/revocations/guard.js'
import { OpenStreams } from '../src/auth/revocations/open-streams.js'
import { RevocationStream } from '../src/auth/revocations/revocation-stream.js'
import { nameConnection } from '../src/hub/connection-name.js'

declare module 'fastify' {
  interface FastifyInstance {
    guard: Guard
    /** Call this after every COMMIT of a revocation, key change or renewal: it wakes this process at once, then the others. */
    accessChanged(): void
  }
}

export default fp(
  async app => {
    const { database, hub, tailer, log: logger, apiKeys: keys } = app
    const streams = new OpenStreams(() => nameConnection(hub.id))
    const guard = new Guard({ database, streams, keys })
    const revocationStream = new RevocationStream({
      database,
      tailer,
      logger,
      guard,
      onCommitted: app.wake,
      onClientEnded: (workspace, connection) => void hub.connections.end(workspace, connection),
    })
    app.decorate('guard', guard)
    app.decorate('accessChanged', () => revocationStream.wake())
    app.addHook('onReady', () => revocationStream.start())
    app.addHook('onClose', async () => revocationStream.close())
  },
  { name: 'access', dependencies: ['database', 'api-keys', 'hub', 'tailer'] },
)
