/** The sealed rows of a webhook: its signing secrets, each in a row of its own, and its headers, in one row. */
import type { Sealed, Sealer } from './sealer.js'
import type { WebhookId } from './webhook.js'

/** The id of the row that has the headers. */
export const HEADERS_ID = 'headers'

/** A row of sluice.webhook_secrets. */
export interface SealedSecret {
  readonly id: string
  readonly keyId: string
  readonly sealed: Buffer
}

export function seal(sealer: Sealer, webhook: WebhookId, id: string, text: string): Sealed {
  return sealer.seal(text, placeOf(webhook, id))
}

/** Undefined if no key of this gateway opens it. */
export function open(
  sealer: Sealer,
  webhook: WebhookId,
  { id, keyId, sealed }: SealedSecret,
): string | undefined {
  return sealer.open({ keyId, bytes: sealed }, placeOf(webhook, id))
}

function placeOf(webhook: WebhookId, id: string): string {
  return `${webhook} ${id}`
}
