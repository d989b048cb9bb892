/** Reads the webhooks of a workspace as its admins see them. */
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import { cursorId } from '../hub/cursor.js'
import type { Position } from '../log/event.js'
import { cutPage, formatPlace, type Place, parsePlace } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import type { Replay } from './replay-document.js'
import type { Exhaustion, Form, Order, State, StateReason, WebhookId } from './webhook.js'
import type { WebhookDocument } from './webhook-document.js'

export interface WebhookFilter {
  readonly state?: State | undefined
  readonly stream?: string | undefined
}

/** A document, and the place of its row in the list. */
export interface ListedWebhook {
  readonly document: WebhookDocument
  readonly place: Place
}

interface Row {
  readonly id: WebhookId
  readonly url: string
  readonly stream: string
  readonly types: string | null
  readonly where: string | null
  readonly description: string | null
  readonly form: Form
  readonly order: Order
  readonly maxInFlight: number
  readonly onExhausted: Exhaustion
  readonly headerNames: string[]
  readonly state: State
  readonly stateReason: StateReason | null
  readonly stateAt: Date
  readonly cursorPosition: Position
  readonly cursorEventId: string
  readonly head: Position | null
  readonly lagSince: Date | null
  readonly now: Date
  readonly deadLetters: number
  readonly lastSuccessAt: Date | null
  readonly lastAttemptAt: Date | null
  readonly lastOutcome: string | null
  readonly lastStatus: number | null
  readonly lastMilliseconds: number | null
  readonly createdAt: Date
  readonly createdBy: string
  readonly updatedAt: Date
  readonly micros: number
  readonly failing: FailingRow | null
  readonly replay: ReplayRow | null
  readonly secrets: { id: string; createdAt: string; expiresAt: string | null }[]
}

/** Members of JSON that the statement makes: times as text. */
interface FailingRow {
  readonly position: Position
  readonly eventId: string
  readonly attempt: number
  readonly nextTryAt: string
  readonly since: string
  readonly status: number | null
  readonly error: string | null
}
interface ReplayRow {
  readonly id: string
  readonly state: Replay['state']
  readonly fromPosition: Position
  readonly fromEventId: string
  readonly toPosition: Position
  readonly toEventId: string
  readonly atPosition: Position
  readonly atEventId: string
  readonly createdAt: string
  readonly createdBy: string
  readonly endedAt: string | null
}

const SELECT = `
  select w.id, w.url, c.stream, c.types, c.condition as "where", c.description, w.form, w.ordering as "order", c.max_in_flight as "maxInFlight",
         w.on_exhausted as "onExhausted", w.header_names as "headerNames", w.state, w.state_reason as "stateReason",
         w.state_at as "stateAt", c.cursor_position as "cursorPosition", c.cursor_event_id as "cursorEventId",
         coalesce(h."position", s.base_position) as head, n.at as "lagSince", clock_timestamp() as now,
         w.dead_letters as "deadLetters",
         w.last_success_at as "lastSuccessAt", w.last_attempt_at as "lastAttemptAt", w.last_outcome as "lastOutcome",
         w.last_status as "lastStatus", w.last_milliseconds as "lastMilliseconds", w.created_at as "createdAt",
         c.created_by as "createdBy", w.updated_at as "updatedAt", (extract(epoch from w.created_at) * 1000000)::bigint as micros,
         to_jsonb(f) as failing, to_jsonb(r) as replay, to_jsonb(k.secrets) as secrets
    from sluice.webhooks w
   cross join lateral (select o.* from sluice.consumers o where o.id = w.id limit 1) c
    left join lateral (select s.base_position from sluice.streams s where s.id = c.stream_id limit 1) s on true
    left join lateral (
           select e."position" from sluice.events e where e.stream_id = c.stream_id order by e."position" desc limit 1) h on true
    left join lateral (
           select e.at from sluice.events e where e.stream_id = c.stream_id and e."position" > c.cursor_position
            order by e."position" limit 1) n on true
    left join lateral (
           select d."position", d.event_id as "eventId", d.attempts as attempt, d.next_try_at as "nextTryAt", d.since, d.status,
                  d.error
             from sluice.webhook_waiting d where d.webhook_id = w.id and d.attempts > 0 order by d.since, d."position" limit 1) f on true
    left join lateral (
           select p.id, p.state, p.from_position as "fromPosition", p.from_event_id as "fromEventId", p.to_position as "toPosition",
                  p.to_event_id as "toEventId", p.at_position as "atPosition", p.at_event_id as "atEventId",
                  p.created_at as "createdAt", p.created_by as "createdBy", p.ended_at as "endedAt"
             from sluice.webhook_replays p where p.webhook_id = w.id) r on true
   cross join lateral (
           select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'createdAt', t.created_at, 'expiresAt', t.expires_at)
                    order by t.created_at desc, t.id), '[]') as secrets
             from sluice.webhook_secrets t
            where t.webhook_id = w.id and t.kind = 'signing'
              and (t.expires_at is null or t.expires_at > clock_timestamp())) k`

export async function selectWebhook(
  client: WorkspaceClient,
  workspace: string,
  id: WebhookId,
): Promise<WebhookDocument | undefined> {
  const { rows } = await client.query<Row>({
    name: 'sluice-select-webhook',
    text: `${SELECT} where w.workspace = $1 and w.id = $2`,
    values: [workspace, id],
  })
  return rows.map(documentOf)[0]
}

/** Newest first. @throws {Problem} 400 `invalid-cursor`. */
export async function listWebhooks(
  database: Database,
  workspace: string,
  { limit, cursor, ...filter }: WebhookFilter & PageRequest,
): Promise<{ webhooks: WebhookDocument[]; next_cursor: string | null }> {
  const after = cursor === undefined ? undefined : parsePlace('webhooks', cursor)
  const found = await inWorkspace(database, workspace, client =>
    selectWebhooks(client, workspace, filter, after, limit + 1),
  )
  const { page, next_cursor } = cutPage(found, limit, ({ place }) => formatPlace('webhooks', place))
  return { webhooks: page.map(({ document }) => document), next_cursor }
}

/** Newest first. */
export async function selectWebhooks(
  client: WorkspaceClient,
  workspace: string,
  { state, stream }: WebhookFilter,
  after: Place | undefined,
  limit: number,
): Promise<ListedWebhook[]> {
  const { rows } = await client.query<Row>({
    name: 'sluice-select-webhooks',
    text: `${SELECT}
       where w.workspace = $1 and ($2::text is null or w.state = $2) and ($3::text is null or c.stream = $3)
         and ($4::bigint is null
              or (w.created_at, w.id) < (timestamptz 'epoch' + $4::bigint * interval '1 microsecond', $5::uuid))
       order by w.created_at desc, w.id desc
       limit $6`,
    values: [workspace, state, stream, after?.at, after?.id, limit],
  })
  return rows.map(row => ({ document: documentOf(row), place: { at: row.micros, id: row.id } }))
}

function documentOf(row: Row): WebhookDocument {
  const { cursorPosition, head, lagSince, lastAttemptAt, lastOutcome } = row
  return {
    id: row.id,
    url: row.url,
    stream: row.stream,
    types: row.types,
    where: row.where,
    description: row.description,
    form: row.form,
    order: row.order,
    max_in_flight: row.maxInFlight,
    on_exhausted: row.onExhausted,
    header_names: row.headerNames,
    state: row.state,
    state_reason: row.stateReason,
    state_at: row.stateAt.toISOString(),
    cursor: cursorId({ position: cursorPosition, eventId: row.cursorEventId }),
    lag: {
      events: Math.max(0, (head ?? 0) - cursorPosition),
      seconds:
        lagSince === null ? 0 : Math.max(0, Math.round(row.now.getTime() - lagSince.getTime()) / 1_000),
    },
    failing: row.failing && failingOf(row.failing, row.state),
    dead_letters: row.deadLetters,
    replay: row.replay && replayOf(row.replay),
    last_success_at: row.lastSuccessAt?.toISOString() ?? null,
    last_attempt:
      lastAttemptAt === null || lastOutcome === null
        ? null
        : {
            at: lastAttemptAt.toISOString(),
            outcome: lastOutcome,
            status: row.lastStatus,
            milliseconds: row.lastMilliseconds,
          },
    secrets: row.secrets.map(({ id, createdAt, expiresAt }) => ({
      id,
      created_at: isoOf(createdAt),
      expires_at: expiresAt && isoOf(expiresAt),
    })),
    created_at: row.createdAt.toISOString(),
    created_by: row.createdBy,
    updated_at: row.updatedAt.toISOString(),
  }
}

function failingOf(
  { position, eventId, attempt, nextTryAt, since, status, error }: FailingRow,
  state: State,
) {
  return {
    event_id: cursorId({ position, eventId }),
    attempt,
    next_try_at: state === 'active' ? isoOf(nextTryAt) : null,
    since: isoOf(since),
    status,
    error,
  }
}

function replayOf(row: ReplayRow): Replay {
  const place = (position: Position, eventId: string) => cursorId({ position, eventId })
  return {
    id: row.id,
    state: row.state,
    from: place(row.fromPosition, row.fromEventId),
    to: place(row.toPosition, row.toEventId),
    at: place(row.atPosition, row.atEventId),
    created_at: isoOf(row.createdAt),
    created_by: row.createdBy,
    ended_at: row.endedAt && isoOf(row.endedAt),
  }
}

function isoOf(text: string): string {
  return new Date(text).toISOString()
}
