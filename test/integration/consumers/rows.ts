/** Consumers in a database, for the tests of their rows. */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { Consumer, ConsumerId } from '../../../src/consumers/consumer.js'
import { insertConsumer, type NewConsumer } from '../../../src/consumers/consumer-creation.js'
import { claimConsumers } from '../../../src/consumers/consumer-rows.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { append } from '../../../src/log/append.js'
import { FEED } from '../../../src/log/event.js'
import { ensureStream, type Head, readBounds } from '../../../src/log/log.js'
import { createDatabase } from '../../harness/database.js'

export const WORKSPACE = 'acme'
export const NODE = randomUUID()
export const OTHER_NODE = randomUUID()
const LEASE_MS = 60_000

export type ConsumerStore = Awaited<ReturnType<typeof startStore>>

/** A database whose feed has `events` events. */
export async function startStore(t: Test, events = 0) {
  const { pool, url } = await createDatabase(t)
  const streamId = await ensureStream(pool, WORKSPACE, FEED)
  const bounds = await readBounds(pool, streamId)
  if (!bounds) throw new Error('The feed is missing.')
  const places: Head[] = [bounds.base]
  const publish = async () => {
    const place = await append(pool, WORKSPACE, FEED, 'thing.made', `{"n":${places.length}}`, 'ada')
    places.push(place)
    return place
  }
  for (let n = 0; n < events; n += 1) await publish()
  return {
    pool,
    url,
    streamId,
    publish,
    /** The place after `position` events. */
    at: (position: number): Head => {
      const place = places[position]
      if (!place) throw new Error(`There is no event ${position}.`)
      return { position: place.position, eventId: place.eventId }
    },
    /** @param given default: a pull consumer at the beginning. */
    create: async (given: Partial<NewConsumer> = {}, workspace = WORKSPACE): Promise<Consumer> => {
      const id = randomUUID() as ConsumerId
      const consumer = { ...DEFAULTS, id, name: id, streamId, cursor: bounds.base, ...given }
      const made = await inWorkspace(pool, workspace, client => insertConsumer(client, workspace, consumer))
      if (!made) throw new Error('There is a consumer of that name.')
      return made
    },
    /** Undefined while another holds it. */
    claim: async (id: ConsumerId, holder = 'ada', given: { takeover?: boolean; node?: string } = {}) => {
      const claimed = await claimConsumers(pool, {
        kind: 'pull',
        node: NODE,
        holder,
        ids: [id],
        leaseMs: LEASE_MS,
        ...given,
      })
      return claimed[0]
    },
    /** As if nobody had renewed the lease. */
    expire: (id: ConsumerId) =>
      pool.query(
        `update sluice.consumers set lease_until = clock_timestamp() - interval '1 s' where id = $1`,
        [id],
      ),
  }
}

const DEFAULTS = {
  kind: 'pull',
  stream: FEED,
  types: null,
  where: null,
  description: null,
  ackTimeoutMs: 30_000,
  maxInFlight: 256,
  active: true,
  createdBy: 'ada',
} as const
