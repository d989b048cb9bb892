/** Replaces the secret of a webhook. Its receiver has time to learn the new one: until the end of the overlap both sign. */
import { type Origin, recordAudit } from '../audit/audit.js'
import { notFound } from '../problems/problem.js'
import { makeSigningSecret } from './signing-secret.js'
import { DEFAULT_OVERLAP_SECONDS, type WebhookId } from './webhook.js'
import { administer, selectExisting, type WebhookAdministration } from './webhook-administration.js'
import type { RotatedSecret, SecretRotation } from './webhook-document.js'
import * as rows from './webhook-rows.js'

/** @throws {Problem} 404 `not-found`, 409 `too-many-secrets`. */
export async function rotateSecret(
  { database, sealer }: WebhookAdministration,
  origin: Origin,
  webhook: WebhookId,
  { overlap = DEFAULT_OVERLAP_SECONDS }: SecretRotation,
): Promise<RotatedSecret> {
  return await administer(database, origin, async client => {
    const before = await rows.lockWebhook(client, origin.workspace, webhook)
    if (!before) throw notFound('webhook')
    const { id, secret } = await makeSigningSecret(client, sealer, origin.workspace, webhook, overlap)
    const details = { webhook, url_host: before.host, secret: id, overlap_seconds: overlap }
    await recordAudit(client, { ...origin, action: 'webhook.secret-rotated', details })
    const { secrets } = await selectExisting(client, origin.workspace, webhook)
    const made = secrets.find(other => other.id === id)
    if (!made) throw new Error('The secret was not stored.')
    return { ...made, secret }
  })
}
