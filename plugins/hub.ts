/** Tailer, hub and publisher of this process: what reads the log for its clients, and what writes it for them. */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createPool } from '../src/database/pool.js'
import { Hub } from '../src/hub/hub.js'
import { Tailer } from '../src/hub/tailer.js'
import type { StreamId } from '../src/log/event.js'
import { Publisher } from '../src/log/publisher.js'
import { ServerState } from '../src/maintenance/server-state.js'

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub
    tailer: Tailer
    publisher: Publisher
    serverState: ServerState
    /** To be called after every COMMIT that appended: wakes this process at once, then the others. */
    wake(streams: readonly StreamId[]): void
  }
}

export interface HubOptions {
  readonly databaseUrl: string
  /** Whether a pooler may stand between (src/database/pool.ts). */
  readonly pooled: boolean
  readonly heartbeatMs: number
  readonly maxAgeMs: number
  maxStreams(): number
  /** Longest time over which streams are ended at shutdown. */
  readonly drainMs: number
}

/** Connections that only read the log, for those who open streams and catch up. */
const READERS = 4
/** To plan a read of the tails anew each time takes longer than the read, and there is one good plan. */
const TAIL_SETTINGS = { plan_cache_mode: 'force_generic_plan' }
/** A tailer that waits longer for an answer tries another connection. */
const READ_DEADLINE_MS = 5_000

const hub: FastifyPluginAsync<HubOptions> = async (app, options) => {
  const { bus, database, log: logger } = app
  // Of their own, so that requests that use up the pool cannot hold up the streams.
  const pool = (name: string, max: number, onLost: () => void = () => {}, settings = {}) =>
    createPool(options.databaseUrl, {
      name,
      max,
      settings,
      queryTimeoutMs: READ_DEADLINE_MS,
      pooled: options.pooled,
      onError(error) {
        logger.debug({ err: error }, 'A reading connection was lost.')
        onLost()
      },
    })
  const readers = pool('sluice read', READERS)
  // And one more, so that many clients that come back at once cannot hold up those that are live. The next one may lead to
  // a database that has lost what clients have seen: they hear of it at once, not with the next event.
  const tail = pool('sluice tail', 1, () => tailer.wake('all'), TAIL_SETTINGS)
  const tailer: Tailer = new Tailer({ database: tail, bus, logger })
  const hub = new Hub({ ...options, database: readers, tailer, logger })
  const wake = (streams: readonly StreamId[]) => {
    tailer.wake(streams)
    bus.wake(streams)
  }
  const publisher = new Publisher({ database, onCommitted: wake })
  const state = new ServerState({
    database,
    bus,
    tailer,
    hub,
    logger,
    onCommitted: wake,
    watch: app.databaseWatch,
  })

  app.decorate('hub', hub)
  app.decorate('tailer', tailer)
  app.decorate('publisher', publisher)
  app.decorate('serverState', state)
  app.decorate('wake', wake)

  app.addHook('onReady', async () => {
    tailer.start()
    await bus.start(wake => tailer.wake(wake))
    await state.start()
  })
  // A server that closes waits for its connections, also for those that are kept after their last answer.
  app.addHook('onSend', (request, reply, _payload, done) => {
    if (hub.mode === 'draining' && request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
    done()
  })
  app.addHook('preClose', async () => {
    state.drain()
    await hub.drain(options.drainMs)
  })
  app.addHook('onClose', async () => {
    hub.close()
    state.close()
    await publisher.close()
    await tailer.close()
    await Promise.all([readers.end(), tail.end()])
  })
}

export default fp(hub, { name: 'hub', dependencies: ['database', 'bus'] })
