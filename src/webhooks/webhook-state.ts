/** Changes of a webhook's state. The change, its entry in the audit log and its event on the feed are one transaction. */
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Queryable } from '../database/pool.js'
import type { State, StateReason, WebhookId } from './webhook.js'

const ACTIONS = { active: 'webhook.resumed', paused: 'webhook.paused', disabled: 'webhook.disabled' } as const

/**
 * The deliverer notices the change by the revision of the webhook.
 * @param origin of the change; its workspace is that of the webhook. A gateway that acts by itself has no principal.
 * @param reason null for `active`.
 * @returns false if there is no such webhook, if it already is in this state, or if a disabled one is to be paused.
 */
export async function changeState(
  client: Queryable,
  origin: Origin,
  id: WebhookId,
  state: State,
  reason: StateReason | null,
): Promise<boolean> {
  const { rows } = await client.query<{ host: string | null }>({
    name: 'sluice-webhook-state',
    text: 'select sluice.set_webhook_state($1, $2, $3, $4) as host',
    values: [origin.workspace, id, state, reason],
  })
  const host = rows[0]?.host
  if (host == null) return false
  await recordAudit(client, {
    ...origin,
    action: ACTIONS[state],
    details: { webhook: id, url_host: host, ...(reason !== null && { reason }) },
  })
  return true
}
