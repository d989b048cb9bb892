/** The dead letters of a webhook, by position, and sending all of them again. */
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { cursorId } from '../hub/cursor.js'
import type { Position } from '../log/event.js'
import { cutPage, formatCursor, parseCursor } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import { notFound } from '../problems/problem.js'
import type { DeadLetterDocument } from './attempt-document.js'
import type { WebhookId } from './webhook.js'
import { administer, selectExisting } from './webhook-administration.js'
import { lockWebhook } from './webhook-rows.js'

const LIST = 'dead-letters'
const POSITION = /^[0-9]{1,16}$/

interface Row extends Omit<DeadLetterDocument, 'event_id' | 'event_uuid' | 'at'> {
  readonly position: Position
  readonly eventId: string
  readonly at: Date
}

/** @throws {Problem} 400 `invalid-cursor`, 404 `not-found`. */
export async function listDeadLetters(
  database: Database,
  workspace: string,
  webhook: WebhookId,
  { limit, cursor }: PageRequest,
): Promise<{ dead_letters: DeadLetterDocument[]; next_cursor: string | null }> {
  const after = cursor === undefined ? 0 : Number(parseCursor(LIST, cursor, POSITION))
  const found = await inWorkspace(database, workspace, async client => {
    await selectExisting(client, workspace, webhook)
    const { rows } = await client.query<Row>({
      name: 'sluice-dead-letters',
      text: `select d."position", d.event_id as "eventId", d.type, d.at, d.attempts, d.status, d.error
               from sluice.webhook_dead_letters d
              where d.workspace = $1 and d.webhook_id = $2 and d."position" > $3
              order by d."position" limit $4`,
      values: [workspace, webhook, after, limit + 1],
    })
    return rows
  })
  const { page, next_cursor } = cutPage(found, limit, ({ position }) => formatCursor(LIST, position))
  return {
    dead_letters: page.map(({ position, eventId, at, ...row }) => ({
      event_id: cursorId({ position, eventId }),
      event_uuid: eventId,
      at: at.toISOString(),
      ...row,
    })),
    next_cursor,
  }
}

/**
 * Lets the oldest dead letters be sent again, at most 1,000 at a time.
 * @returns the number of those.
 * @throws {Problem} 404 `not-found`.
 */
export async function retryDeadLetters(
  database: Database,
  origin: Origin,
  webhook: WebhookId,
): Promise<number> {
  return await administer(database, origin, async client => {
    const endpoint = await lockWebhook(client, origin.workspace, webhook)
    if (!endpoint) throw notFound('webhook')
    const { rows } = await client.query<{ retried: number }>({
      name: 'sluice-retry-dead-letters',
      text: 'select sluice.retry_dead_letters($1, $2) as retried',
      values: [origin.workspace, webhook],
    })
    const retried = rows[0]?.retried ?? 0
    const details = { webhook, url_host: endpoint.host, dead_letters: retried }
    if (retried > 0) await recordAudit(client, { ...origin, action: 'webhook.retried', details })
    return retried
  })
}
