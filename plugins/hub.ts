/** The hub: the streams that clients of this process follow. plugins/server-state.ts drains it before the app closes. */
import fp from 'fastify-plugin'
import type { Database } from '../src/database/pool.js'
import type { PoolSource } from '../src/database/pool-source.js'
import { Hub } from '../src/hub/hub.js'
import { openReaders, openReplica } from '../src/hub/log-readers.js'
import { Replica } from '../src/hub/replica.js'

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub
    /** Its connections, which only read the log. */
    readers: Database
    /** Undefined without READ_DATABASE_URL. */
    replica: Replica | undefined
  }
}

export interface HubOptions {
  readonly source: PoolSource
  /** A replica that is read for clients that catch up; default none. */
  readonly readSource: PoolSource | undefined
  readonly heartbeatMs: number
  readonly maxAgeMs: number
  /** Maximum number of open streams. The file descriptors may allow fewer. */
  readonly maxStreams: number
}

export default fp<HubOptions>(
  async (app, { source, readSource, maxStreams, ...options }) => {
    const { tailer, descriptors, log: logger } = app
    const database = openReaders(source, logger)
    const copies = readSource && openReplica(readSource, logger)
    const replica = copies && new Replica({ replica: copies, primary: database, logger })
    const hub = new Hub({
      ...options,
      database,
      replica,
      tailer,
      logger,
      maxStreams: () => Math.min(maxStreams, descriptors.room.streams),
    })
    hub.tally.tracing = app.tracing
    app.decorate('hub', hub)
    app.decorate('readers', database)
    app.decorate('replica', replica)

    // A closing server waits for its connections, including those that are kept alive after their last response.
    app.addHook('onSend', (request, reply, _payload, done) => {
      if (hub.mode === 'draining' && request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
      done()
    })
    // The boot does not wait: the replica may be away.
    app.addHook('onReady', async () => void replica?.check())
    app.addHook('onClose', async () => {
      hub.close()
      await Promise.all([database.end(), copies?.end()])
    })
  },
  { name: 'hub', dependencies: ['tailer', 'descriptors', 'tracing'] },
)
