/** This process as a node of the cluster, from the app's start to its close: its heartbeat, and the counts over all nodes. */
import fp from 'fastify-plugin'
import { Cluster } from '../src/cluster/cluster.js'
import { countByStream } from '../src/hub/client-counts.js'
import { logLagMs } from '../src/hub/log-lag.js'

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
    })
    app.decorate('cluster', cluster)
    cluster.connect(bus, tailer.poll)
    app.addHook('onReady', async () => cluster.start())
    app.addHook('onClose', () => cluster.close())
  },
  { name: 'cluster', dependencies: ['bus', 'database', 'hub', 'memory', 'server-state', 'tailer'] },
)
