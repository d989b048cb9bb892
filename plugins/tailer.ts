/**
 * The one reader of the log in this process, on a connection of its own; and `wake` and `announce`, one of which every writer
 * calls after COMMIT.
 */
import fp from 'fastify-plugin'
import { announceOn } from '../src/bus/announce.js'
import type { Config } from '../src/config/config.js'
import type { PoolSource } from '../src/database/pool-source.js'
import { CarriedEvents } from '../src/hub/carried-events.js'
import { EarlyEvents } from '../src/hub/early-events.js'
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
    /** The same for a caller that knows the events: this process then need not read them. */
    announce(committed: readonly Committed[]): void
  }
}

export interface TailerOptions {
  readonly source: PoolSource
  /** What a busy stream saves. */
  readonly pacing: Config['PACING']
}

export default fp<TailerOptions>(
  async (app, { source, pacing }) => {
    const { bus, log: logger } = app
    const tail = openTail(source, logger, () => {
      bus.historyMayDiffer?.()
      tailer.wake('all')
    })
    const tailer: Tailer = new Tailer({ database: tail, bus, logger, pauseRule: new PauseRule(pacing) })
    tailer.tally.tracing = app.tracing
    const early = new EarlyEvents({ tailer, bus })
    app.decorate('tailer', tailer)
    app.decorate('wake', (streams: readonly StreamId[]) => {
      tailer.wake(streams)
      bus.wake(streams)
    })
    app.decorate('announce', (committed: readonly Committed[]) => {
      for (const { way, events } of committed) tailer.tally.published.add(way, events.length)
      early.take(committed)
      announceOn(bus, committed)
    })
    app.addHook('onReady', async () => {
      tailer.start()
      const carried = new CarriedEvents(tailer, early)
      await bus.start(
        wake => {
          tailer.tally.wakes += 1
          tailer.wake(wake)
        },
        committed => carried.take(committed),
      )
    })
    app.addHook('onClose', async () => {
      early.close()
      await tailer.close()
      await tail.end()
    })
  },
  { name: 'tailer', dependencies: ['bus', 'tracing'] },
)
