/** The statements of subscriptions for the requests of their workspace: one per function. */
import type { Queryable } from '../../database/pool.js'
import type { WorkspaceClient } from '../../database/workspace.js'
import type { StreamId } from '../../log/event.js'
import { JSON_TYPE, mediaTypeOf } from '../content-type.js'
import {
  type Ack,
  type Fence,
  MAX_EXPLICIT_LINKS,
  MAX_LINKS,
  MAX_SNAPSHOT,
  MAX_SUBSCRIPTIONS,
  type StreamLink,
  type Subscription,
  type SubscriptionUid,
  type WokenStream,
} from './subscription.js'
import type { SubscriptionConfig } from './subscription-config.js'

export type Creation = 'created' | 'same' | 'different' | 'too-many'

export async function insertSubscription(
  client: WorkspaceClient,
  workspace: string,
  id: string,
  { type, glob, hash, url, wakeStream, leaseTtlMs, description }: SubscriptionConfig,
  { baseUrl, createdBy }: { readonly baseUrl: string; readonly createdBy: string },
): Promise<{ readonly uid: SubscriptionUid; readonly outcome: Creation }> {
  const { rows } = await client.query<{ uid: SubscriptionUid; outcome: Creation }>({
    name: 'sluice-create-durable-subscription',
    text: `select uid, outcome
             from sluice.create_durable_subscription($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
    values: [
      workspace,
      id,
      type,
      glob?.pattern,
      glob?.prefix,
      glob?.expression,
      hash,
      url?.href,
      url?.host,
      wakeStream,
      baseUrl,
      leaseTtlMs,
      description,
      createdBy,
      MAX_SUBSCRIPTIONS,
    ],
  })
  return only(rows)
}

export async function selectSubscription(
  client: WorkspaceClient,
  workspace: string,
  id: string,
): Promise<Subscription | undefined> {
  const { rows } = await client.query<Subscription>({
    name: 'sluice-durable-subscription',
    text: `select d.uid, d.workspace, d.id, d.type, d.pattern, d.url, d.wake_stream as "wakeStream", d.base_url as "baseUrl",
                  d.lease_ttl_ms as "leaseTtlMs", d.description, d.created_at as "createdAt", d.next_attempt_at is not null as failed,
                  d.backfilled
             from sluice.durable_subscriptions d where d.workspace = $1 and d.id = $2`,
    values: [workspace, id],
  })
  return rows[0]
}

/** Whether the messages of the stream are JSON, as they are in streams that the protocol has not made. */
export async function takesJson(
  client: WorkspaceClient,
  workspace: string,
  stream: string,
): Promise<boolean> {
  const { rows } = await client.query<{ contentType: string }>({
    name: 'sluice-durable-content-type',
    text: `select d.content_type as "contentType" from sluice.durable_streams d where d.workspace = $1 and d.name = $2`,
    values: [workspace, stream],
  })
  return rows.every(({ contentType }) => mediaTypeOf(contentType) === JSON_TYPE)
}

/** All links of the subscription, by path. */
export async function selectLinks(client: Queryable, uid: SubscriptionUid): Promise<StreamLink[]> {
  const { rows } = await client.query<StreamLink>({
    name: 'sluice-durable-links',
    text: `select l.path, l.explicit, l.acked from sluice.durable_subscription_streams l where l.uid = $1 order by l.path`,
    values: [uid],
  })
  return rows
}

/** The streams with work, up to a limit: what a wake or a claim names. */
export async function selectWoken(client: Queryable, uid: SubscriptionUid): Promise<WokenStream[]> {
  const { rows } = await client.query<WokenStream>({
    name: 'sluice-durable-snapshot',
    text: `
      select l.path, l.explicit, l.acked, coalesce(
               (select e."position" from sluice.events e where e.stream_id = s.id order by e."position" desc limit 1),
               s.base_position) as tail
        from (select * from sluice.durable_subscription_streams p
               where p.uid = $1 and p.pending order by p.path limit ${MAX_SNAPSHOT}) l
        join sluice.streams s on s.id = l.stream_id
       order by l.path`,
    values: [uid],
  })
  return rows
}

/** @returns whether the subscription still has few enough. @throws SQLSTATE SL007 if it was deleted. */
export async function linkStreams(
  client: WorkspaceClient,
  workspace: string,
  uid: SubscriptionUid,
  paths: readonly string[],
): Promise<boolean> {
  const { rows } = await client.query<{ fits: boolean }>({
    name: 'sluice-link-durable-streams',
    text: 'select sluice.link_durable_streams($1, $2, $3, $4) as fits',
    values: [workspace, uid, paths, MAX_EXPLICIT_LINKS],
  })
  return only(rows).fits
}

export async function unlinkStream(
  client: WorkspaceClient,
  workspace: string,
  uid: SubscriptionUid,
  path: string,
): Promise<void> {
  await client.query({
    name: 'sluice-unlink-durable-stream',
    text: 'select sluice.unlink_durable_stream($1, $2, $3)',
    values: [workspace, uid, path],
  })
}

/** @returns whether the streams that match are few enough. */
export async function backfill(
  client: WorkspaceClient,
  workspace: string,
  uid: SubscriptionUid,
): Promise<boolean> {
  const { rows } = await client.query<{ fits: boolean }>({
    name: 'sluice-backfill-durable-subscription',
    text: 'select sluice.backfill_durable_subscription($1, $2, $3) as fits',
    values: [workspace, uid, MAX_LINKS],
  })
  return only(rows).fits
}

export async function removeSubscription(
  client: WorkspaceClient,
  workspace: string,
  id: string,
): Promise<boolean> {
  const { rows } = await client.query<{ removed: boolean }>({
    name: 'sluice-delete-durable-subscription',
    text: 'select sluice.delete_durable_subscription($1, $2) as removed',
    values: [workspace, id],
  })
  return only(rows).removed
}

export interface Claim extends Fence {
  readonly outcome: 'claimed' | 'held' | 'idle' | 'not-pull-wake'
  readonly holder: string
  readonly leaseTtlMs: number
}

/** Undefined if there is no such subscription. */
export async function claim(
  client: WorkspaceClient,
  workspace: string,
  id: string,
  worker: string,
): Promise<Claim | undefined> {
  const { rows } = await client.query<Claim>({
    name: 'sluice-claim-durable-subscription',
    text: `select outcome, uid, generation, wake_id as "wakeId", holder, lease_ttl_ms as "leaseTtlMs"
             from sluice.claim_durable_subscription($1, $2, $3)`,
    values: [workspace, id, worker],
  })
  return rows[0]
}

export interface Settlement {
  readonly outcome: 'settled' | 'fenced' | 'beyond' | 'gone'
  readonly nextWake: boolean
  /** The streams that were acknowledged; null unless it is settled. */
  readonly streamIds: readonly StreamId[] | null
}

/** @param done whether the wake is over; else its lease is extended. */
export async function settle(
  database: Queryable,
  { uid, generation, wakeId }: Fence,
  acks: readonly Ack[],
  done: boolean,
): Promise<Settlement> {
  const { rows } = await database.query<Settlement>({
    name: 'sluice-settle-durable-wake',
    text: `select outcome, next_wake as "nextWake", stream_ids as "streamIds"
             from sluice.settle_durable_wake($1, $2, $3, $4, $5, $6)`,
    values: [
      uid,
      generation,
      wakeId,
      acks.map(({ path }) => path),
      acks.map(({ position }) => position),
      done,
    ],
  })
  return only(rows)
}

function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (!row) throw new Error('The database has returned no row.')
  return row
}
