/** Removes expired events, jobs and unused streams, from the app's start to its close. */
import fp from 'fastify-plugin'
import { Retention, type RetentionOptions } from '../src/log/retention.js'

export default fp<Pick<RetentionOptions, 'days' | 'jobDays' | 'maxStoredStreams'>>(
  async (app, options) => {
    const { database, log: logger, tailer } = app
    const retention = new Retention({ ...options, database, logger, followed: () => tailer.followed })
    app.addHook('onReady', async () => retention.start())
    app.addHook('onClose', () => retention.close())
  },
  { name: 'retention', dependencies: ['database', 'hub'] },
)
