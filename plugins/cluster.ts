/**
 * This process as a node of the cluster, from the app's start to its close: its heartbeat, the clients over all nodes, and the presence
 * events that the first node publishes.
 */
import fp from 'fastify-plugin'
import { Cluster } from '../src/cluster/cluster.js'
import { Presence } from '../src/cluster/presence.js'
import { countByStream } from '../src/hub/client-counts.js'
import { logLagMs } from '../src/hub/log-lag.js'
import { clientsOn, principalsOf } from '../src/hub/stream-clients.js'
import { MAX_PAGE } from '../src/paging/page-query.js'

declare module 'fastify' {
  interface FastifyInstance {
    cluster: Cluster
  }
}

export interface ClusterOptions {
  /** Whether this process has a row in sluice.nodes. */
  readonly member: boolean
}

export default fp<ClusterOptions>(
  async (app, { member }) => {
    const { bus, database, hub, memory, serverState, tailer, log: logger } = app
    const cluster = new Cluster({
      database,
      logger,
      member,
      mayBeFirst: true,
      id: hub.id,
      onClock: aheadMs => {
        hub.tally.clockAheadMs = aheadMs
      },
      figures: () => ({
        mode: serverState.mode,
        lagMs: logLagMs(tailer),
        clients: hub.clients(),
        streams: countByStream(hub.subscriptions),
        bus,
        memory,
      }),
      clientsOn: page => clientsOn(hub, page, MAX_PAGE + 1),
    })
    app.decorate('cluster', cluster)
    cluster.connect(bus, tailer.poll)
    const presence = new Presence({
      database,
      logger,
      cluster,
      principals: streams => principalsOf(hub, streams),
      onCommitted: app.wake,
      paused: () => serverState.mode === 'maintenance',
    })
    app.addHook('onReady', async () => {
      cluster.start()
      presence.start()
    })
    app.addHook('onClose', async () => {
      await presence.close()
      await cluster.close()
    })
  },
  { name: 'cluster', dependencies: ['bus', 'database', 'hub', 'memory', 'server-state', 'tailer'] },
)
