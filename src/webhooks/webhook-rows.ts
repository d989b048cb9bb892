/** The statements that change webhooks for their admins: one per function. */
import type { Consumer } from '../consumers/consumer.js'
import type { WorkspaceClient } from '../database/workspace.js'
import type { Sealed } from './sealer.js'
import type { Exhaustion, Form, Order, WebhookId } from './webhook.js'

/** The settings of an endpoint; those of its consumer are in ConsumerOptions. */
export interface EndpointSettings {
  readonly url: string
  /** Host and port of the URL. */
  readonly host: string
  readonly form: Form
  readonly order: Order
  readonly onExhausted: Exhaustion
  readonly headerNames: readonly string[]
}

/** The consumer of the same id must be new in the transaction. @throws SQLSTATE SL017 if the workspace has too many. */
export async function insertWebhook(
  client: WorkspaceClient,
  { id, workspace, active }: Pick<Consumer, 'id' | 'workspace' | 'active'>,
  { url, host, form, order, onExhausted, headerNames }: EndpointSettings,
): Promise<void> {
  await client.query({
    name: 'sluice-create-webhook',
    text: 'select sluice.create_webhook($1, $2, $3, $4, $5, $6, $7, $8, $9)',
    values: [workspace, id, url, host, form, order, onExhausted, headerNames, active],
  })
}

export async function updateWebhook(
  client: WorkspaceClient,
  workspace: string,
  id: WebhookId,
  { url, host, form, order, onExhausted, headerNames }: EndpointSettings,
): Promise<void> {
  await client.query({
    name: 'sluice-change-webhook',
    text: 'select sluice.change_webhook($1, $2, $3, $4, $5, $6, $7, $8)',
    values: [workspace, id, url, host, form, order, onExhausted, headerNames],
  })
}

/** Locks a webhook until the end of the transaction, which also holds back the deliverer's records of it. Undefined if there is none. */
export async function lockWebhook(
  client: WorkspaceClient,
  workspace: string,
  id: WebhookId,
): Promise<EndpointSettings | undefined> {
  const { rows } = await client.query<EndpointSettings>({
    name: 'sluice-lock-webhook',
    text: `select w.url, w.url_host as host, w.form, w.ordering as "order", w.on_exhausted as "onExhausted",
                  w.header_names as "headerNames"
             from sluice.lock_webhook($1, $2) w where w.id is not null`,
    values: [workspace, id],
  })
  return rows[0]
}

/**
 * Stores a secret that signs, and lets the others sign for `overlap` seconds more.
 * @throws SQLSTATE SL018 if too many have not expired.
 */
export async function insertSigningSecret(
  client: WorkspaceClient,
  workspace: string,
  webhook: WebhookId,
  id: string,
  sealed: Sealed,
  overlap: number,
): Promise<void> {
  await storeSecret(client, workspace, webhook, id, 'signing', sealed, overlap)
}

/** @param sealed undefined: it has none. */
export async function replaceHeaders(
  client: WorkspaceClient,
  workspace: string,
  webhook: WebhookId,
  id: string,
  sealed: Sealed | undefined,
): Promise<void> {
  await storeSecret(client, workspace, webhook, id, 'headers', sealed, 0)
}

async function storeSecret(
  client: WorkspaceClient,
  workspace: string,
  webhook: WebhookId,
  id: string,
  kind: 'signing' | 'headers',
  sealed: Sealed | undefined,
  overlap: number,
): Promise<void> {
  await client.query({
    name: 'sluice-store-webhook-secret',
    text: 'select sluice.store_webhook_secret($1, $2, $3, $4, $5, $6, $7)',
    values: [workspace, webhook, id, kind, sealed?.keyId, sealed?.bytes, overlap],
  })
}
