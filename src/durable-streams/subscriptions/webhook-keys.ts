/**
 * The keys that sign the requests of subscriptions (Ed25519, RFC 8032), and the set in which receivers find them (RFC 7517, RFC 8037).
 * They are derived from the secrets that all gateways share, so nothing has to be stored or distributed, and a restart changes nothing.
 * Requests are signed with the key of the first secret. The keys of all secrets are published, so that a secret can be replaced while
 * requests that were signed with its key are under way.
 */
import { createHash, createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign } from 'node:crypto'

const SEED_BYTES = 32
/** A private key of Ed25519 in PKCS #8 is this and the seed (RFC 8410 §7). */
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex')

export interface PublicKey {
  readonly kty: 'OKP'
  readonly crv: 'Ed25519'
  readonly kid: string
  readonly use: 'sig'
  readonly alg: 'EdDSA'
  readonly x: string
}

interface SigningKey {
  readonly privateKey: KeyObject
  readonly publicKey: PublicKey
}

export class WebhookKeys {
  readonly #keys: readonly [SigningKey, ...SigningKey[]]

  /** @param secrets at least 32 random characters each, the signing one first. */
  constructor([first, ...others]: readonly [string, ...string[]]) {
    this.#keys = [keyOf(first), ...others.map(keyOf)]
  }

  /** Names the key that signs. */
  get keyId(): string {
    return this.#keys[0].publicKey.kid
  }

  get published(): readonly PublicKey[] {
    return this.#keys.map(({ publicKey }) => publicKey)
  }

  /**
   * The header `Webhook-Signature` (protocol §7.1).
   * @param seconds since 1970.
   */
  signatureOf(body: Uint8Array, seconds: number): string {
    const signed = Buffer.concat([Buffer.from(`${seconds}.`), body])
    const signature = sign(null, signed, this.#keys[0].privateKey).toString('base64url')
    return `t=${seconds},kid=${this.keyId},ed25519=${signature}`
  }
}

function keyOf(secret: string): SigningKey {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', 'sluice durable webhook signatures', SEED_BYTES))
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_HEADER, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  // The thumbprint of RFC 7638: the members in this order, without spaces.
  const thumbprint = createHash('sha256')
    .update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`)
    .digest('base64url')
  return {
    privateKey,
    publicKey: { kty: 'OKP', crv: 'Ed25519', kid: `ds_${thumbprint}`, use: 'sig', alg: 'EdDSA', x },
  }
}
