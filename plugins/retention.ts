/** Removes expired events and jobs, from the app's start to its close. */
import fp from 'fastify-plugin'
import { Retention, type RetentionOptions } from '../src/events/retention.js'

export default fp<Pick<RetentionOptions, 'days' | 'jobDays'>>(
  async (app, { days, jobDays }) => {
    const retention = new Retention({ database: app.database, logger: app.log, days, jobDays })
    app.addHook('onReady', async () => retention.start())
    app.addHook('onClose', () => retention.close())
  },
  { name: 'retention', dependencies: ['database'] },
)
