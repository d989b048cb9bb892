/** The attempts of a webhook, newest first, and sending the event of one again. */
import { type Origin, recordAudit } from '../audit/audit.js'
import { readConsumer } from '../consumers/consumer-rows.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import { cursorId } from '../hub/cursor.js'
import type { Position } from '../log/event.js'
import { parseEventId } from '../log/event-id.js'
import { readEvent } from '../log/log.js'
import { cutPage, formatCursor, parseCursor } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import { notFound, Problem } from '../problems/problem.js'
import type { Attempt } from './attempt-document.js'
import type { Outcome } from './delivery-records.js'
import type { Lane } from './endpoint.js'
import type { WebhookId } from './webhook.js'
import { administer, selectExisting } from './webhook-administration.js'
import { lockWebhook } from './webhook-rows.js'

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const LIST = 'webhook-attempts'

export interface AttemptPageRequest extends PageRequest {
  readonly outcome?: Outcome | undefined
  /** An event id. */
  readonly event?: string | undefined
}

interface Row {
  readonly id: string
  readonly position: Position | null
  readonly eventId: string
  readonly type: string
  readonly attempt: number
  readonly at: Date
  readonly lane: Lane | 'test'
  readonly outcome: Outcome
  readonly status: number | null
  readonly milliseconds: number | null
  readonly error: string | null
  readonly answer: string | null
  readonly nextTryAt: Date | null
}

const COLUMNS = `a.id, a."position", a.event_id as "eventId", a.type, a.attempt, a.at, a.lane, a.outcome, a.status, a.milliseconds,
  a.error, a.answer, a.next_try_at as "nextTryAt"`

/** @throws {Problem} 400 `invalid-cursor` or `invalid-event-id`; 404 `not-found`. */
export async function listAttempts(
  database: Database,
  workspace: string,
  webhook: WebhookId,
  { limit, cursor, outcome, event }: AttemptPageRequest,
): Promise<{ deliveries: Attempt[]; next_cursor: string | null }> {
  const after = cursor === undefined ? undefined : parseCursor(LIST, cursor, ID)
  const position = event === undefined ? undefined : positionIn(event)
  const found = await inWorkspace(database, workspace, async client => {
    await selectExisting(client, workspace, webhook)
    const statement = selection(outcome, position)
    const values = [workspace, webhook, after, limit + 1, ...statement.values]
    const { rows } = await client.query<Row>({ ...statement, values })
    return rows
  })
  const { page, next_cursor } = cutPage(found, limit, ({ id }) => formatCursor(LIST, id))
  return { deliveries: page.map(attemptDocument), next_cursor }
}

/**
 * Lets the event of an attempt be sent again: as soon as possible, or when the webhook is resumed. If the event waits for its next
 * try, it is tried now, so an ordered webhook goes on.
 * @throws {Problem} 404 `not-found`; 409 `not-in-log` for a test and for an event that the log no longer has, `too-many-retries`.
 */
export async function retryDelivery(
  database: Database,
  origin: Origin,
  webhook: WebhookId,
  attempt: string,
): Promise<void> {
  const { workspace } = origin
  await administer(database, origin, async client => {
    const endpoint = await lockWebhook(client, workspace, webhook)
    const consumer = await readConsumer(client, webhook)
    if (!endpoint || !consumer) throw notFound('webhook')
    const { position, eventId } = await selectAttempt(client, workspace, webhook, attempt)
    const event = position === null ? undefined : await readEvent(client, consumer.streamId, position)
    if (position === null || event?.eventId !== eventId) throw notInLog()
    await client.query({
      name: 'sluice-retry-delivery',
      text: 'select sluice.retry_webhook_delivery($1, $2, $3, $4)',
      values: [workspace, webhook, position, eventId],
    })
    const details = { webhook, url_host: endpoint.host, event: cursorId({ position, eventId }) }
    await recordAudit(client, { ...origin, action: 'webhook.retried', details })
  })
}

export function attemptDocument(row: Row): Attempt {
  return {
    id: row.id,
    event_id: row.position === null ? null : cursorId({ position: row.position, eventId: row.eventId }),
    event_uuid: row.eventId,
    type: row.type,
    attempt: row.attempt,
    at: row.at.toISOString(),
    outcome: row.outcome,
    status: row.status,
    milliseconds: row.milliseconds,
    error: row.error,
    answer: row.answer,
    next_try_at: row.nextTryAt?.toISOString() ?? null,
    replay: row.lane === 'replay',
    test: row.lane === 'test',
  }
}

/** Each filter has an index of its own, so each has a statement of its own. */
function selection(outcome: Outcome | undefined, position: Position | undefined) {
  const from = `select ${COLUMNS} from sluice.webhook_attempts a
    where a.workspace = $1 and a.webhook_id = $2 and ($3::uuid is null or a.id < $3)`
  const order = 'order by a.id desc limit $4'
  if (position !== undefined) {
    const text = `${from} and a."position" = $5 and ($6::text is null or a.outcome = $6) ${order}`
    return { name: 'sluice-attempts-of-event', text, values: [position, outcome] }
  }
  if (outcome === undefined) return { name: 'sluice-attempts', text: `${from} ${order}`, values: [] }
  const rare = outcome === 'delivered' ? '' : `and a.outcome <> 'delivered'`
  const text = `${from} and a.outcome = $5 ${rare} ${order}`
  return { name: rare ? 'sluice-failed-attempts' : 'sluice-attempts-by-outcome', text, values: [outcome] }
}

async function selectAttempt(
  client: WorkspaceClient,
  workspace: string,
  webhook: WebhookId,
  id: string,
): Promise<Pick<Row, 'position' | 'eventId'>> {
  const { rows } = await client.query<Pick<Row, 'position' | 'eventId'>>({
    name: 'sluice-select-attempt',
    text: `select a."position", a.event_id as "eventId" from sluice.webhook_attempts a
            where a.workspace = $1 and a.webhook_id = $2 and a.id = $3`,
    values: [workspace, webhook, id],
  })
  const [found] = rows
  if (!found) throw notFound('delivery')
  return found
}

function positionIn(event: string): Position {
  const id = parseEventId(event)
  if (id) return id.position
  throw new Problem(400, 'invalid-event-id', 'An event id looks like 10532.k7f3qa.')
}

function notInLog(): Problem {
  const detail =
    'The log does not have this event: it was a test, or the event was removed. It cannot be sent again.'
  return new Problem(409, 'not-in-log', detail)
}
