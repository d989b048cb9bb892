/** The rows of webhooks as the deliverer needs them: consumers, which have cursors and leases, and endpoints, which have the rest. */
import type { Consumer, ConsumerId } from '../../consumers/consumer.js'
import { claimConsumers, readConsumer, releaseLeases, renewLeases } from '../../consumers/consumer-rows.js'
import { moveCursors, passOver, resetCursor } from '../../consumers/cursor-rows.js'
import { type Database, inTransaction, type Queryable } from '../../database/pool.js'
import { recordDeliveries } from '../delivery-records.js'
import { readEndpoints, readRevisions } from '../endpoint-rows.js'
import type { Sealer } from '../sealer.js'
import type { ClaimedEndpoint, DeliveryBatch, DeliveryRows, EndpointDifference } from './delivery-rows.js'

export function storedDeliveries(database: Database, sealer: Sealer): DeliveryRows {
  return {
    join: (node, ttlMs) => joinDeliverers(database, node, ttlMs),
    leave: node => leaveDeliverers(database, node),
    // In one transaction: a claim whose secrets cannot be read would hold the endpoint without delivering.
    claim: (node, limit, leaseMs) =>
      inTransaction(database, async client => {
        const claiming = { kind: 'webhook', node, holder: null, limit, leaseMs } as const
        return await withEndpoints(client, sealer, await claimConsumers(client, claiming))
      }),
    async renew(node, held, leaseMs) {
      const lost = await renewLeases(database, node, held, leaseMs)
      return lost.map(({ id }) => id)
    },
    release: (node, held) => releaseLeases(database, node, held),
    changed: revisions => findChanged(database, revisions),
    async read(held) {
      const consumer = await readConsumer(database, held.id)
      if (!consumer?.active || consumer.epoch !== held.epoch) return undefined
      return (await withEndpoints(database, sealer, [consumer]))[0]
    },
    record: batch => inTransaction(database, client => record(client, batch)),
  }
}

async function record(client: Queryable, { attempts, changes }: DeliveryBatch): Promise<ConsumerId[]> {
  // First, because it locks all rows of the batch.
  const refused = new Set(await recordDeliveries(client, { attempts, changes }))
  const own = changes.filter(({ id }) => !refused.has(id))
  for (const { id, epoch, reset } of own)
    if (reset) await resetCursor(client, { id, epoch }, reset.stream, reset.to)
  const places = (of: 'cursor' | 'passed') =>
    own.flatMap(({ id, epoch, [of]: place }) => (place ? [{ id, epoch, ...place }] : []))
  await moveCursors(client, places('cursor'))
  await passOver(client, places('passed'))
  return [...refused]
}

async function withEndpoints(
  database: Queryable,
  sealer: Sealer,
  consumers: readonly Consumer[],
): Promise<ClaimedEndpoint[]> {
  if (consumers.length === 0) return []
  const stored = await readEndpoints(
    database,
    sealer,
    consumers.map(({ id }) => id),
  )
  return consumers.flatMap(({ id, epoch, cursor }) => {
    const { state: _, ...found } = stored.get(id) ?? {}
    return 'endpoint' in found ? [{ ...found, id, epoch, cursor }] : []
  })
}

async function findChanged(
  database: Database,
  revisions: ReadonlyMap<ConsumerId, number>,
): Promise<EndpointDifference[]> {
  const now = await readRevisions(database, [...revisions.keys()])
  return [...revisions].flatMap(([id, revision]): EndpointDifference[] => {
    const found = now.get(id)
    if (!found) return [{ id, what: 'gone' }]
    if (found.state !== 'active') return [{ id, what: 'inactive' }]
    return found.revision === revision ? [] : [{ id, what: 'changed' }]
  })
}

async function joinDeliverers(database: Database, node: string, ttlMs: number) {
  const { rows } = await database.query<{ nodes: number; endpoints: number }>({
    name: 'sluice-join-deliverers',
    text: 'select nodes, webhooks as endpoints from sluice.join_deliverers($1, $2)',
    values: [node, Math.ceil(ttlMs)],
  })
  return rows[0] ?? { nodes: 1, endpoints: 0 }
}

async function leaveDeliverers(database: Database, node: string): Promise<void> {
  await database.query({
    name: 'sluice-leave-deliverers',
    text: 'select sluice.leave_deliverers($1)',
    values: [node],
  })
}
