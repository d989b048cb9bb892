/** Reads the endpoints of all workspaces for the deliverer: a few statements for all of them, not one for each. */
import type { Queryable } from '../database/pool.js'
import type { Position } from '../log/event.js'
import type { Endpoint, RunningReplay, StoredEndpoint, WaitingDelivery } from './endpoint.js'
import { HEADERS_ID, open, type SealedSecret } from './sealed-secrets.js'
import type { Sealer } from './sealer.js'
import type { State, WebhookId } from './webhook.js'

/** Deliveries of one endpoint that are read at once. The deliverer keeps fewer waiting. */
const MAX_WAITING = 4_000

type EndpointRow = Omit<Endpoint, 'types' | 'where' | 'headers' | 'secrets'> & {
  readonly types: string | null
  readonly where: string | null
  readonly state: State
  readonly failingSince: Date | null
}
type Owned<Row> = Row & { readonly webhook: WebhookId }
type WaitingRow = Omit<WaitingDelivery, 'status' | 'error'> & {
  readonly status: number | null
  readonly error: string | null
}
interface SecretRow extends SealedSecret {
  /** Null: it does not expire. */
  readonly leftMs: number | null
}
interface ReplayRow {
  readonly id: string
  readonly position: Position
  readonly eventId: string
  readonly toPosition: Position
  readonly toEventId: string
}

/**
 * Call it after `claimConsumers`, whose rows have cursor and epoch.
 * @returns the endpoints that exist, by id. The secrets of one that this gateway has no key for are missing.
 */
export async function readEndpoints(
  database: Queryable,
  sealer: Sealer,
  ids: readonly WebhookId[],
): Promise<ReadonlyMap<WebhookId, StoredEndpoint>> {
  const endpoints = await selectEndpoints(database, ids)
  const secrets = byWebhook(await selectSecrets(database, ids))
  const waiting = byWebhook(await selectWaiting(database, ids))
  const replays = byWebhook(await selectReplays(database, ids))
  return new Map(
    endpoints.map(({ state, failingSince, types, where, ...row }) => {
      const opened = openAll(sealer, row.id, secrets.get(row.id) ?? [])
      const endpoint = { ...row, types: types ?? undefined, where: where ?? undefined, ...opened }
      const stored = {
        endpoint,
        state,
        waiting: (waiting.get(row.id) ?? []).map(waitingOf),
        replay: replays.get(row.id)?.map(replayOf)[0],
        failingSince: failingSince ?? undefined,
      }
      return [row.id, stored] as const
    }),
  )
}

/** The revisions of the webhooks that exist. */
export async function readRevisions(
  database: Queryable,
  ids: readonly WebhookId[],
): Promise<ReadonlyMap<WebhookId, { readonly revision: number; readonly state: State }>> {
  const { rows } = await database.query<{ id: WebhookId; revision: number; state: State }>({
    name: 'sluice-webhook-revisions',
    text: 'select w.id, w.revision, w.state from sluice.webhooks w where w.id = any ($1::uuid[])',
    values: [ids],
  })
  return new Map(rows.map(({ id, ...row }) => [id, row]))
}

async function selectEndpoints(database: Queryable, ids: readonly WebhookId[]): Promise<EndpointRow[]> {
  const { rows } = await database.query<EndpointRow>({
    name: 'sluice-endpoints',
    text: `
      select w.id, w.workspace, c.stream, c.stream_id as "streamId", c.types, c.condition as "where", w.url, w.form, w.ordering as "order",
             case w.ordering when 'ordered' then 1 else c.max_in_flight end as "maxInFlight", w.on_exhausted as "onExhausted",
             w.revision, w.state, w.failing_since as "failingSince"
        from sluice.webhooks w
        join sluice.consumers c on c.id = w.id
       where w.id = any ($1::uuid[])`,
    values: [ids],
  })
  return rows
}

/** The secrets that have not expired, the newest first. */
async function selectSecrets(database: Queryable, ids: readonly WebhookId[]): Promise<Owned<SecretRow>[]> {
  const { rows } = await database.query<Owned<SecretRow>>({
    name: 'sluice-endpoint-secrets',
    text: `
      select s.webhook_id as webhook, s.id, s.key_id as "keyId", s.sealed,
             extract(epoch from s.expires_at - clock_timestamp())::float8 * 1000 as "leftMs"
        from sluice.webhook_secrets s
       where s.webhook_id = any ($1::uuid[]) and (s.expires_at is null or s.expires_at > clock_timestamp())
       order by s.created_at desc, s.id`,
    values: [ids],
  })
  return rows
}

async function selectWaiting(database: Queryable, ids: readonly WebhookId[]): Promise<Owned<WaitingRow>[]> {
  const { rows } = await database.query<Owned<WaitingRow>>({
    name: 'sluice-waiting-deliveries',
    text: `
      select d.webhook_id as webhook, d.lane, d."position", d.event_id as "eventId", d.attempts, d.since,
             d.next_try_at as "nextTryAt", d.status, d.error
        from unnest($1::uuid[]) as given (id)
       cross join lateral (
               select d.* from sluice.webhook_waiting d where d.webhook_id = given.id
                order by d.lane, d."position" limit ${MAX_WAITING}) d`,
    values: [ids],
  })
  return rows
}

async function selectReplays(database: Queryable, ids: readonly WebhookId[]): Promise<Owned<ReplayRow>[]> {
  const { rows } = await database.query<Owned<ReplayRow>>({
    name: 'sluice-running-replays',
    text: `
      select r.webhook_id as webhook, r.id, r.at_position as "position", r.at_event_id as "eventId", r.to_position as "toPosition",
             r.to_event_id as "toEventId"
        from sluice.webhook_replays r where r.webhook_id = any ($1::uuid[]) and r.state = 'running'`,
    values: [ids],
  })
  return rows
}

function openAll(
  sealer: Sealer,
  webhook: WebhookId,
  rows: readonly SecretRow[],
): Pick<Endpoint, 'headers' | 'secrets' | 'secretsUntil'> {
  const opened = rows.map(row => ({ id: row.id, text: open(sealer, webhook, row) }))
  // All or nothing: without its headers, or with fewer signatures, a request would not be the one that the
  // admin has asked for.
  if (opened.some(({ text }) => text === undefined)) return { headers: {}, secrets: [] }
  const headers = opened.find(({ id }) => id === HEADERS_ID)?.text
  const left = rows.flatMap(({ leftMs }) => leftMs ?? [])
  return {
    ...(left.length > 0 && { secretsUntil: performance.now() + Math.min(...left) }),
    headers: headers === undefined ? {} : JSON.parse(headers),
    secrets: opened.flatMap(({ id, text }) => (id === HEADERS_ID || text === undefined ? [] : [text])),
  }
}

function waitingOf({ status, error, ...row }: WaitingRow): WaitingDelivery {
  return { ...row, status: status ?? undefined, error: error ?? undefined }
}

function replayOf({ id, position, eventId, toPosition, toEventId }: ReplayRow): RunningReplay {
  return { id, cursor: { position, eventId }, to: { position: toPosition, eventId: toEventId } }
}

function byWebhook<Row extends { readonly webhook: WebhookId }>(
  rows: readonly Row[],
): ReadonlyMap<WebhookId, readonly Omit<Row, 'webhook'>[]> {
  const found = new Map<WebhookId, Omit<Row, 'webhook'>[]>()
  for (const { webhook, ...row } of rows) {
    const others = found.get(webhook)
    if (others) others.push(row)
    else found.set(webhook, [row])
  }
  return found
}
