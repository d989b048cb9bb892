/** The secrets that sign the requests of a webhook. */
import { randomBytes } from 'node:crypto'
import type { WorkspaceClient } from '../database/workspace.js'
import { seal } from './sealed-secrets.js'
import type { Sealer } from './sealer.js'
import { newSecret } from './sending/signature.js'
import type { WebhookId } from './webhook.js'
import { insertSigningSecret } from './webhook-rows.js'

const ID_BYTES = 6

export interface SigningSecret {
  /** Names the secret in lists; not secret itself. */
  readonly id: string
  /** `whsec_` and base64, as Standard Webhooks writes it. */
  readonly secret: string
}

/**
 * Makes a secret and stores it sealed; the others sign for `overlap` seconds more.
 * @throws SQLSTATE SL018 if too many have not expired.
 */
export async function makeSigningSecret(
  client: WorkspaceClient,
  sealer: Sealer,
  workspace: string,
  webhook: WebhookId,
  overlap: number,
): Promise<SigningSecret> {
  const made = { id: randomBytes(ID_BYTES).toString('hex'), secret: newSecret() }
  const sealed = seal(sealer, webhook, made.id, made.secret)
  await insertSigningSecret(client, workspace, webhook, made.id, sealed, overlap)
  return made
}
