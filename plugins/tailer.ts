/**
 * The one reader of the log in this process, on a connection of its own; and `wake` and `announce`, one of which every writer
 * calls after COMMIT.
 */
import fp from 'fastify-plugin'
import type { Config } from '../src/config/config.js'
import type { PoolSource } from '../src/database/pool-source.js'
import { EventExchange, type GrowthListener } from '../src/hub/event-exchange.js'
import { openTail } from '../src/hub/log-readers.js'
import { PauseRule } from '../src/hub/scheduling/pause-rule.js'
import { Tailer } from '../src/hub/tailer.js'
import type { Committed } from '../src/log/committed.js'
import type { StreamId } from '../src/log/event.js'

declare module 'fastify' {
  interface FastifyInstance {
    tailer: Tailer
    /** Call this or `announce` after every COMMIT that appended events: it wakes this process at once, then the others. */
    wake(streams: readonly StreamId[]): void
    /** As `wake`, for a caller that knows the events: this process then need not read them. */
    announce(committed: readonly Committed[]): void
    /** Learn which streams have grown, here or, from the bus, elsewhere. */
    growthListeners: Set<GrowthListener>
  }
}

export interface TailerOptions {
  readonly source: PoolSource
  /** Whether a busy stream saves CPU or time (PACING). */
  readonly pacing: Config['PACING']
}

export default fp<TailerOptions>(
  async (app, { source, pacing }) => {
    const { bus, log: logger } = app
    const tail = openTail(source, logger, () => exchange.connectionLost())
    const tailer = new Tailer({ database: tail, bus, logger, pauseRule: new PauseRule(pacing) })
    tailer.tally.tracing = app.tracing
    const exchange: EventExchange = new EventExchange(tailer, bus)
    app.decorate('tailer', tailer)
    app.decorate('growthListeners', exchange.listeners)
    app.decorate('wake', (streams: readonly StreamId[]) => exchange.wake(streams))
    app.decorate('announce', (committed: readonly Committed[]) => {
      for (const { way, events } of committed) tailer.tally.published.add(way, events.length)
      exchange.announce(committed)
    })
    app.addHook('onReady', async () => {
      tailer.start()
      await exchange.start()
    })
    app.addHook('onClose', async () => {
      exchange.close()
      await tailer.close()
      await tail.end()
    })
  },
  { name: 'tailer', dependencies: ['bus', 'tracing'] },
)
