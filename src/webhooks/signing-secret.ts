/** A new secret that signs the requests of a webhook. */
import { randomBytes } from 'node:crypto'
import { newSecret } from './sending/signature.js'

const ID_BYTES = 6

export interface SigningSecret {
  /** Not secret: it names the secret in lists. */
  readonly id: string
  /** `whsec_` and base64, as Standard Webhooks writes it. */
  readonly secret: string
}

export function generateSigningSecret(): SigningSecret {
  return { id: randomBytes(ID_BYTES).toString('hex'), secret: newSecret() }
}
