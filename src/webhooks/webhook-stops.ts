/** Pauses and resumes webhooks for the admins of a workspace. A webhook that is in the state already stays as it is. */
import type { Origin } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import type { State, StateReason, WebhookId } from './webhook.js'
import { administer, selectExisting } from './webhook-administration.js'
import type { WebhookDocument } from './webhook-document.js'
import { changeState } from './webhook-state.js'

/** Pauses a webhook. Requests under way are finished. A disabled webhook stays disabled. @throws {Problem} 404 `not-found`. */
export function pauseWebhook(database: Database, origin: Origin, id: WebhookId): Promise<WebhookDocument> {
  return change(database, origin, id, 'paused', 'by-admin')
}

/** Resumes a paused or disabled webhook at its cursor. @throws {Problem} 404 `not-found`. */
export function resumeWebhook(database: Database, origin: Origin, id: WebhookId): Promise<WebhookDocument> {
  return change(database, origin, id, 'active', null)
}

async function change(
  database: Database,
  origin: Origin,
  id: WebhookId,
  state: State,
  reason: StateReason | null,
): Promise<WebhookDocument> {
  return await administer(database, origin, async client => {
    await changeState(client, origin, id, state, reason)
    return await selectExisting(client, origin.workspace, id)
  })
}
