/** What a gateway asks of the database for the subscriptions of Durable Streams, each as one act that may be repeated. */
import type { Database } from '../../../src/database/pool.js'
import {
  anySubscription,
  checkLinks,
  discoverStreams,
  noteGrowth,
  takeWake,
} from '../../../src/durable-streams/subscriptions/growth-rows.js'
import {
  addStreams,
  getSubscription,
  putSubscription,
} from '../../../src/durable-streams/subscriptions/subscription-administration.js'
import type { NewSubscription } from '../../../src/durable-streams/subscriptions/subscription-document.js'
import { settle } from '../../../src/durable-streams/subscriptions/subscription-rows.js'
import type { StreamId } from '../../../src/log/event.js'

const WORKSPACE = 'acme'
const ORIGIN = { workspace: WORKSPACE, principal: 'ada', address: '127.0.0.1', requestId: 'r' } as const
const CONFIG: NewSubscription = {
  type: 'webhook',
  streams: ['own'],
  webhook: { url: 'https://example.com/' },
}

export async function subscriptionActsOn(session: Database): Promise<Record<string, () => Promise<unknown>>> {
  const services = { database: session, policy: { allowed: [], httpsOnly: true }, keyId: 'k' }
  const put = () => putSubscription(services, ORIGIN, 'own', CONFIG, 'https://x')
  await put()
  const newest = async () => {
    const { rows } = await session.query<{ id: StreamId }>('select max(s.id) as id from sluice.streams s')
    return rows[0]?.id ?? (0 as StreamId)
  }
  return {
    'confirm a subscription': put,
    'read a subscription': () => getSubscription(services, WORKSPACE, 'own'),
    'link a stream': () => addStreams(session, ORIGIN, 'own', ['own']),
    'ask whether there is a subscription': () => anySubscription(session),
    'note growth': async () => noteGrowth(session, [await newest()]),
    'discover streams': async () => discoverStreams(session, await newest(), 1_000),
    'check links': () => checkLinks(session, { uid: 0, path: '' }, 100),
    'take a wake': () => takeWake(session, true),
    'settle a wake': async () => {
      const wake = await takeWake(session, true)
      const fence = wake ?? ({ uid: 0, generation: 1, wakeId: 'w' } as never)
      return await settle(session, fence, [{ path: 'own', position: 0 }], true)
    },
  }
}

/** Subscriptions of another workspace, each with a link that has no work. */
export function subscriptionRows(numbers: string): string {
  return `insert into sluice.durable_subscriptions (workspace, id, type, config_hash, url, url_host, base_url, lease_ttl_ms, created_by,
          backfilled)
        select 'rival', 's' || n, 'webhook', 'h', 'https://example.com/', 'e', 'https://x', 30000, 'ada', true
          from ${numbers} where w.name = 'rival';
      insert into sluice.durable_subscription_streams (uid, path, workspace, stream_id, globbed, explicit, acked)
        select d.uid, 'bulk' || substr(d.id, 2), 'rival', s.id, false, true, 1000000
          from sluice.durable_subscriptions d join sluice.streams s on s.workspace = 'rival' and s.name = 'bulk' || substr(d.id, 2)
         where d.workspace = 'rival' on conflict do nothing;`
}
