/** The statements of the process that wakes subscriptions, for all workspaces: one per function. */
import type { Queryable } from '../../database/pool.js'
import type { StreamId } from '../../log/event.js'
import type { Fence, SubscriptionType, SubscriptionUid } from './subscription.js'

/** Whether any workspace has a subscription: one probe. */
export async function anySubscription(database: Queryable): Promise<boolean> {
  const { rows } = await database.query<{ any: boolean }>({
    name: 'sluice-any-durable-subscription',
    text: 'select exists (select from sluice.durable_subscriptions d) as any',
  })
  return rows[0]?.any ?? false
}

/** Marks the work on streams that have grown. @returns how many subscriptions have become due. */
export async function noteGrowth(database: Queryable, streams: readonly StreamId[]): Promise<number> {
  const { rows } = await database.query<{ due: number }>({
    name: 'sluice-note-durable-growth',
    text: 'select sluice.note_durable_growth($1::bigint[]) as due',
    values: [streams],
  })
  return rows[0]?.due ?? 0
}

export interface Discovery {
  /** The newest stream that was looked at. */
  readonly lastId: number
  readonly streams: number
  readonly due: number
  /** Transactions that were running then have numbers below. */
  readonly nextXid: string
  /** Transactions with numbers below are over. */
  readonly oldestXid: string
}

/** Links the streams after `after` to the subscriptions that they match. */
export async function discoverStreams(
  database: Queryable,
  after: number,
  atMost: number,
): Promise<Discovery | undefined> {
  const { rows } = await database.query<Discovery>({
    name: 'sluice-discover-durable-streams',
    text: `select last_id as "lastId", streams, due, next_xid::text as "nextXid", oldest_xid::text as "oldestXid"
             from sluice.discover_durable_streams($1, $2)`,
    values: [after, atMost],
  })
  return rows[0]
}

export async function readMark(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ judged: number }>({
    name: 'sluice-durable-mark',
    text: 'select m.judged from sluice.durable_subscription_marks m',
  })
  return rows[0]?.judged ?? 0
}

export async function moveMark(database: Queryable, judged: number): Promise<void> {
  await database.query({
    name: 'sluice-move-durable-mark',
    text: 'select sluice.move_durable_mark($1)',
    values: [judged],
  })
}

export interface LinkPlace {
  readonly uid: number
  readonly path: string
}

/**
 * Marks the work on the next links in turn, which finds growth whose wake was lost. @returns the last link that was
 * looked at; undefined at the end.
 */
export async function checkLinks(
  database: Queryable,
  after: LinkPlace,
  atMost: number,
): Promise<(LinkPlace & { readonly due: number }) | undefined> {
  const { rows } = await database.query<LinkPlace & { due: number }>({
    name: 'sluice-check-durable-links',
    text: 'select uid, path, due from sluice.check_durable_links($1, $2, $3)',
    values: [after.uid, after.path, atMost],
  })
  return rows[0]
}

export interface TakenWake extends Fence {
  readonly uid: SubscriptionUid
  readonly workspace: string
  readonly id: string
  readonly type: SubscriptionType
  readonly url: string
  readonly baseUrl: string
  readonly failures: number
  readonly leaseTtlMs: number
  /** The stream that has got a wake event. */
  readonly wakeStreamId: StreamId | null
  /** False: nothing was pending, or the wake stream takes no events. */
  readonly issued: boolean
}

/** @param withWebhooks whether this process sends requests. @returns undefined if nothing is due. */
export async function takeWake(database: Queryable, withWebhooks: boolean): Promise<TakenWake | undefined> {
  const { rows } = await database.query<TakenWake>({
    name: 'sluice-take-durable-wake',
    text: `select uid, workspace, id, type, url, base_url as "baseUrl", generation, wake_id as "wakeId", failures,
                  lease_ttl_ms as "leaseTtlMs", wake_stream_id as "wakeStreamId", issued
             from sluice.take_durable_wake($1)`,
    values: [withWebhooks],
  })
  return rows[0]
}

/**
 * Stores the outcome of a request.
 * @param pauseMs until the next attempt, in milliseconds; undefined: it was answered.
 * @param counts whether it was an attempt at all.
 */
export async function noteAttempt(
  database: Queryable,
  { uid, generation, wakeId }: Fence,
  pauseMs: number | undefined,
  counts: boolean,
): Promise<void> {
  await database.query({
    name: 'sluice-note-durable-attempt',
    text: 'select sluice.note_durable_attempt($1, $2, $3, $4, $5)',
    values: [uid, generation, wakeId, pauseMs ?? null, counts],
  })
}
