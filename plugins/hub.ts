/** The hub: the streams that clients of this process follow. plugins/server-state.ts drains it before the app closes. */
import fp from 'fastify-plugin'
import type { Database } from '../src/database/pool.js'
import type { PoolSource } from '../src/database/pool-source.js'
import { Hub } from '../src/hub/hub.js'
import { openReaders } from '../src/hub/log-readers.js'

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub
    /** Its connections, which only read the log. */
    readers: Database
  }
}

export interface HubOptions {
  readonly source: PoolSource
  readonly heartbeatMs: number
  readonly maxAgeMs: number
  /** Maximum number of open streams. The file descriptors may allow fewer. */
  readonly maxStreams: number
}

export default fp<HubOptions>(
  async (app, { source, maxStreams, ...options }) => {
    const { tailer, descriptors, log: logger } = app
    const database = openReaders(source, logger)
    const hub = new Hub({
      ...options,
      database,
      tailer,
      logger,
      maxStreams: () => Math.min(maxStreams, descriptors.room.streams),
    })
    hub.tally.tracing = app.tracing
    app.decorate('hub', hub)
    app.decorate('readers', database)

    // A closing server waits for its connections, including those that are kept alive after their last response.
    app.addHook('onSend', (request, reply, _payload, done) => {
      if (hub.mode === 'draining' && request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
      done()
    })
    app.addHook('onClose', async () => {
      hub.close()
      await database.end()
    })
  },
  { name: 'hub', dependencies: ['tailer', 'descriptors', 'tracing'] },
)
