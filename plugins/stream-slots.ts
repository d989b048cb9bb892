/**
 * Counts the streams that one principal, one workspace and one address hold open (src/limits/stream-slots.ts), in this process
 * or in all processes together.
 */
import fp from 'fastify-plugin'
import { SharedSlots } from '../src/limits/shared-slots.js'
import { claimsIn } from '../src/limits/slot-rows.js'
import type { StreamLimit, StreamSlot } from '../src/limits/stream-slot.js'
import { StreamSlots } from '../src/limits/stream-slots.js'
import type { Settings } from './settings.js'

declare module 'fastify' {
  interface FastifyInstance {
    streamSlots: StreamSlots
    /**
     * Takes a slot for the request's principal, or names the limit that is reached. The caller must release the slot.
     */
    takeStreamSlot(request: FastifyRequest): StreamSlot | StreamLimit
  }
}

export default fp<Pick<Settings, 'config' | 'member'>>(
  async (app, { config, member }) => {
    const { cluster, database, hub, log: logger, metrics } = app
    const caps = {
      principal: config.MAX_STREAMS_PER_PRINCIPAL,
      workspace: config.MAX_STREAMS_PER_WORKSPACE,
      address: config.MAX_STREAMS_PER_ADDRESS,
    }
    const shared = member && config.STREAM_CAPS === 'cluster'
    const all = shared ? new SharedSlots({ caps, claim: claimsIn(database, hub.id), logger }) : undefined
    const slots = new StreamSlots(caps, all)
    app.decorate('streamSlots', slots)
    app.decorate('takeStreamSlot', request => {
      const { workspace, id } = request.principal
      return slots.take({ workspace, id, address: request.network })
    })
    if (!all) return
    // The other processes count only the slots of processes whose row they see.
    cluster.whenRejoined(() => all.claimAgain())
    metrics.show('withdrawn', () =>
      Object.entries(all.withdrawn).map(([limit, value]) => ({ labels: { limit }, value })),
    )
    app.addHook('onClose', () => all.close())
  },
  { name: 'stream-slots', dependencies: ['cluster', 'database', 'hub', 'metrics', 'request-caller'] },
)
