/** Removes expired events, from the app's start to its close. */
import fp from 'fastify-plugin'
import { Retention, type RetentionOptions } from '../src/events/retention.js'

export default fp<Pick<RetentionOptions, 'days'>>(
  async (app, { days }) => {
    const retention = new Retention({ database: app.database, logger: app.log, days })
    app.addHook('onReady', async () => retention.start())
    app.addHook('onClose', () => retention.close())
  },
  { name: 'retention', dependencies: ['database'] },
)
