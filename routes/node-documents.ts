/** The nodes of the cluster as operators see them. */
import type { NodeDocument } from '../src/clients/node-document.js'
import { listNodes } from '../src/cluster/node-rows.js'
import type { Database } from '../src/database/pool.js'
import { nodeOf } from '../src/hub/connection-name.js'

/** @param asked the ids of the processes that have answered. */
export async function nodeDocuments(database: Database, asked: ReadonlySet<string>): Promise<NodeDocument[]> {
  return (await listNodes(database)).map(({ id, startedAt, heartbeatAgeMs, lagMs, clients, ...node }) => ({
    node: nodeOf(id),
    asked: asked.has(id),
    ...node,
    started_at: startedAt.toISOString(),
    lag_ms: lagMs,
    heartbeat_age_ms: heartbeatAgeMs,
    clients: clients.total,
    by_kind: { ...clients.byKind },
  }))
}
