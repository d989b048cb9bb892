/**
 * The key that signs the messages of the bus (HMAC-SHA256, RFC 2104), so that only a process with the same secret can send events.
 * The first key signs, and all of them verify, so the secret can be changed while gateways run.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

const KEY_BYTES = 32
const SIGNATURE_BYTES = 32

export class MessageKey {
  /** The first signs. */
  readonly #keys: readonly [Buffer, ...Buffer[]]

  /** @param secrets at least 32 random characters each. They may have other uses: the keys are derived from them (HKDF, RFC 5869). */
  constructor(secrets: readonly [string, ...string[]]) {
    const keyOf = (secret: string) =>
      Buffer.from(hkdfSync('sha256', secret, '', 'sluice bus messages', KEY_BYTES))
    const [first, ...others] = secrets
    this.#keys = [keyOf(first), ...others.map(keyOf)]
  }

  /** The signature of both parts of a message, in base64url: 43 characters. */
  sign(head: string, body: string): string {
    return signatureOf(this.#keys[0], head, body).toString('base64url')
  }

  verify(signature: string, head: string, body: Uint8Array): boolean {
    const given = Buffer.from(signature, 'base64url')
    if (given.length !== SIGNATURE_BYTES) return false
    return this.#keys.some(key => timingSafeEqual(signatureOf(key, head, body), given))
  }
}

function signatureOf(key: Buffer, head: string, body: string | Uint8Array): Buffer {
  return createHmac('sha256', key).update(head).update('\n').update(body).digest()
}
