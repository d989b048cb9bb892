/** The rows of webhooks as the deliverer needs them: consumers, which have cursors and leases, and endpoints, which have the rest. */
import type { Consumer, ConsumerId } from '../../consumers/consumer.js'
import { claimConsumers, readConsumer, releaseLeases, renewLeases } from '../../consumers/consumer-rows.js'
import { moveCursors, passOver, resetCursor } from '../../consumers/cursor-rows.js'
import { type Database, inTransaction, type Queryable } from '../../database/pool.js'
import { attemptId, recordDeliveries } from '../delivery-records.js'
import { readEndpoints, readRevisions } from '../endpoint-rows.js'
import type { Sealer } from '../sealer.js'
import type { ClaimedEndpoint, DeliveryBatch, DeliveryRows, EndpointDifference } from './delivery-rows.js'
import { LastRecords } from './last-records.js'

export function storedDeliveries(database: Database, sealer: Sealer): DeliveryRows {
  const last = new LastRecords()
  return {
    join: (node, ttlMs) => joinDeliverers(database, node, ttlMs),
    leave: node => leaveDeliverers(database, node),
    // In one transaction: a claim whose secrets cannot be read would hold the endpoint without delivering.
    async claim(node, limit, leaseMs) {
      const claimed = await inTransaction(database, async client => {
        const claiming = { kind: 'webhook', node, holder: null, limit, leaseMs } as const
        return await withEndpoints(client, sealer, await claimConsumers(client, claiming))
      })
      for (const { id } of claimed) last.forget(id)
      return claimed
    },
    async renew(node, held, leaseMs) {
      const lost = await renewLeases(database, node, held, leaseMs)
      return lost.map(({ id }) => id)
    },
    async release(node, held) {
      await releaseLeases(database, node, held)
      for (const { id } of held) last.forget(id)
    },
    async changed(revisions) {
      const found = await findChanged(database, revisions)
      for (const { id, what } of found) if (what === 'gone') last.forget(id)
      return found
    },
    async read(held) {
      last.forget(held.id)
      const consumer = await readConsumer(database, held.id)
      if (!consumer?.active || consumer.epoch !== held.epoch) return undefined
      return (await withEndpoints(database, sealer, [consumer]))[0]
    },
    async record(batch) {
      const attempts = batch.attempts.map(one => ({ ...one, id: one.id ?? attemptId(one.at) }))
      const refused = await inTransaction(database, client => record(client, { ...batch, attempts }, last))
      last.note(attempts, batch, refused)
      return [...refused]
    },
  }
}

async function record(
  client: Queryable,
  { attempts, changes }: DeliveryBatch,
  last: LastRecords,
): Promise<ReadonlySet<ConsumerId>> {
  const lost = await last.findLost(client, { attempts, changes })
  const kept = changes.filter(({ id }) => !lost.has(id))
  // First of all changes, because it locks all rows of the batch.
  const refused = new Set([...lost, ...(await recordDeliveries(client, { attempts, changes: kept }))])
  const own = changes.filter(({ id }) => !refused.has(id))
  for (const { id, epoch, reset } of own)
    if (reset) await resetCursor(client, { id, epoch }, reset.stream, reset.to)
  const places = (of: 'cursor' | 'passed') =>
    own.flatMap(({ id, epoch, [of]: place }) => (place ? [{ id, epoch, ...place }] : []))
  await moveCursors(client, places('cursor'))
  await passOver(client, places('passed'))
  return refused
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
