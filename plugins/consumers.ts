/** The signals about consumers within this process, and the watch for consumers that lag, while the app runs. */
import fp from 'fastify-plugin'
import { ConsumerSignals } from '../src/consumers/consumer-signals.js'
import { LagWatch } from '../src/consumers/lag-watch.js'

declare module 'fastify' {
  interface FastifyInstance {
    consumers: ConsumerSignals
    lagWatch: LagWatch
  }
}

export interface ConsumersPluginOptions {
  /** Age of the first unacknowledged event, in seconds, from which a consumer lags; 0: only retention decides. */
  readonly warningSeconds: number
  /** Days that retention keeps the events of streams without options; 0: for ever. */
  readonly retentionDays: number
}

export default fp<ConsumersPluginOptions>(
  async (app, options) => {
    const { database, log: logger, serverState } = app
    const paused = () => serverState.mode === 'maintenance'
    const lagWatch = new LagWatch({ ...options, database, logger, paused })
    app.decorate('consumers', new ConsumerSignals())
    app.decorate('lagWatch', lagWatch)
    app.addHook('onReady', async () => lagWatch.start())
    app.addHook('onClose', () => lagWatch.close())
  },
  { name: 'consumers', dependencies: ['database', 'server-state'] },
)
