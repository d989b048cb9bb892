/** What a gateway asks of the database for consumers, each as one act that may be repeated. */
import { randomUUID } from 'node:crypto'
import { acknowledge } from '../../../src/consumers/acknowledgement.js'
import type { ConsumerId } from '../../../src/consumers/consumer.js'
import { deleteConsumer, putConsumer, seek } from '../../../src/consumers/consumer-administration.js'
import { FIRST, noteLag, readConsumerStates, useStreams } from '../../../src/consumers/consumer-lag-rows.js'
import { resetConsumer } from '../../../src/consumers/consumer-losses.js'
import { selectConsumer, selectConsumers } from '../../../src/consumers/consumer-reads.js'
import {
  claimConsumers,
  readConsumers,
  releaseLeases,
  renewLeases,
} from '../../../src/consumers/consumer-rows.js'
import { moveCursors, noteHandedOut, passOver } from '../../../src/consumers/cursor-rows.js'
import type { Database } from '../../../src/database/pool.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { FEED, type Position } from '../../../src/log/event.js'
import { ensureStream, readBounds } from '../../../src/log/log.js'

const WORKSPACE = 'acme'
const ORIGIN = { workspace: WORKSPACE, principal: 'ada', address: '127.0.0.1', requestId: 'r' } as const
const WITHIN = { workspace: WORKSPACE, streams: { exact: [FEED], prefixes: [] } }
const NODE = randomUUID()
const LEASE_MS = 10_000

export function consumerActs(session: Database): Record<string, () => Promise<unknown>> {
  const find = (name: string) =>
    inWorkspace(session, WITHIN, async client => {
      const found = await selectConsumer(client, WORKSPACE, name)
      if (!found) throw new Error('The consumer is missing.')
      return found
    })
  const created = async () => {
    const name = `c-${randomUUID()}`
    await putConsumer(session, ORIGIN, name, { start: 'beginning', types: 'thing.*' })
    return find(name)
  }
  const claim = async (ids: readonly ConsumerId[]) => {
    const claiming = { kind: 'pull', node: NODE, holder: 'ada', ids, leaseMs: LEASE_MS } as const
    const [claimed] = await claimConsumers(session, claiming)
    if (!claimed) throw new Error('The consumer was not claimed.')
    return claimed
  }
  const bounds = async () => {
    const found = await readBounds(session, await ensureStream(session, WORKSPACE, FEED))
    if (!found) throw new Error('The feed is missing.')
    return found
  }

  return {
    'a consumer that is created, changed, sought and deleted': async () => {
      const { name } = (await created()).consumer
      await putConsumer(session, ORIGIN, name, { types: 'other.*' })
      await seek(session, ORIGIN, name, 'now')
      await seek(session, ORIGIN, name, '2020-01-01T00:00:00Z')
      await inWorkspace(session, WITHIN, client => selectConsumers(client, WORKSPACE, { limit: 5 }))
      await deleteConsumer(session, ORIGIN, name)
    },
    'a consumer that is held, handed out and acknowledged': async () => {
      const { name, id } = (await created()).consumer
      const { head } = await bounds()
      const claimed = await claim([id])
      await renewLeases(session, NODE, [claimed], LEASE_MS)
      await noteHandedOut(session, [{ ...claimed, ...head, inFlight: 1 }], LEASE_MS)
      const given = {
        id: { position: 1 as Position, check: undefined },
        epoch: claimed.epoch,
        principal: 'ada',
      }
      await acknowledge(session, WITHIN, await find(name), given)
      await passOver(session, [{ ...claimed, ...head }])
      await moveCursors(session, [{ ...claimed, ...head }])
      await readConsumers(session, [id])
      await releaseLeases(session, NODE, [claimed])
      await deleteConsumer(session, ORIGIN, name)
    },
    'free webhooks that are claimed': async () => {
      const claiming = { kind: 'webhook', node: NODE, holder: null, limit: 3, leaseMs: LEASE_MS } as const
      await releaseLeases(session, NODE, await claimConsumers(session, claiming))
    },
    'a consumer that has lost its place': async () => {
      const { name, id, streamId } = (await created()).consumer
      await resetConsumer(session, await claim([id]), streamId, (await bounds()).head)
      await deleteConsumer(session, ORIGIN, name)
    },
    'consumers that lag': async () => {
      const { name, id, kind } = (await created()).consumer
      await readConsumerStates(session, FIRST, 10, 3_600, 30)
      await useStreams(session, [id])
      const state = { id, kind, held: false, lagEvents: 1, lagSeconds: 1, lost: false, changed: true }
      await noteLag(session, { ...state, lagging: true })
      await noteLag(session, { ...state, lagging: false })
      await deleteConsumer(session, ORIGIN, name)
    },
  }
}
