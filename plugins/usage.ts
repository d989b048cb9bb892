/** What each workspace has stored, counted by one process of the cluster; and the limits of it, which each process enforces. */
import fp from 'fastify-plugin'
import type { Config } from '../src/config/config.js'
import { exchangeBy } from '../src/limits/rate-windows.js'
import { SharedLimit } from '../src/limits/shared-limit.js'
import { isKeyStored } from '../src/log/stored-key.js'
import { Quota } from '../src/usage/quota.js'
import { UsageCount } from '../src/usage/usage-count.js'

declare module 'fastify' {
  interface FastifyInstance {
    quota: Quota
    usageCount: UsageCount
    /** Whether a request of this caller with this key was stored before. */
    keyStored(workspace: string, actor: string, key: string | undefined): Promise<boolean>
  }
}

const MINUTE_MS = 60_000
const REMEMBERED = 10_000

export default fp<{ readonly config: Config }>(
  async (app, { config }) => {
    const { database, log: logger } = app
    const max = config.MAX_EVENTS_PER_MINUTE_PER_WORKSPACE
    const exchange = exchangeBy(database, MINUTE_MS)
    const rate =
      max === 0
        ? undefined
        : new SharedLimit({ max, windowMs: MINUTE_MS, remembered: REMEMBERED, exchange, logger })
    const limits = {
      events: config.MAX_EVENTS_PER_WORKSPACE,
      bytes: config.MAX_BYTES_PER_WORKSPACE,
      jobs: config.MAX_JOBS_PER_WORKSPACE,
    }
    const count = new UsageCount({ database, logger })
    app.decorate('quota', new Quota({ database, limits, rate }))
    app.decorate('usageCount', count)
    app.decorate('keyStored', (workspace, actor, key) => isKeyStored(database, workspace, actor, key))
    app.addHook('onReady', async () => count.start())
    app.addHook('onClose', async () => {
      await Promise.all([count.close(), rate?.close()])
    })
  },
  { name: 'usage', dependencies: ['database'] },
)
