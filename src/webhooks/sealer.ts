/**
 * Seals what the database must not know: the secrets that sign a webhook's requests, and the values of its headers. AES-256-GCM (NIST
 * SP 800-38D) with a random nonce for each seal. A sealed text is bound to its place, so a row that somebody copies to another
 * webhook does not open there.
 *
 * There may be several keys. The first one seals, all of them open, so a key can be changed while gateways run.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_ID_LENGTH = 12

export interface Sealed {
  /** Names the key, and says nothing about it. */
  readonly keyId: string
  /** Nonce, tag and cipher text. */
  readonly bytes: Buffer
}

export class Sealer {
  /** By id, in the order in which they were given. */
  readonly #keys: ReadonlyMap<string, Buffer>
  /** The id of the key that seals. */
  readonly keyId: string

  /** @param secrets at least 32 random characters each. They may have other uses: the keys are derived from them. */
  constructor(secrets: readonly [string, ...string[]]) {
    const keys = secrets.map(secret => {
      const key = Buffer.from(hkdfSync('sha256', secret, '', 'sluice webhook secrets', KEY_BYTES))
      return [createHash('sha256').update(key).digest('hex').slice(0, KEY_ID_LENGTH), key] as const
    })
    this.#keys = new Map(keys)
    this.keyId = keys[0]?.[0] ?? ''
  }

  /** @param place what the text belongs to; `open` needs the same. */
  seal(text: string, place: string): Sealed {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key(this.keyId), nonce).setAAD(Buffer.from(place))
    const content = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return { keyId: this.keyId, bytes: Buffer.concat([nonce, cipher.getAuthTag(), content]) }
  }

  /** Undefined if no key opens it here: its key is missing, or it was changed, or it belongs to another place. */
  open({ keyId, bytes }: Sealed, place: string): string | undefined {
    if (!this.#keys.has(keyId) || bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
    const decipher = createDecipheriv(CIPHER, this.#key(keyId), bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(place))
      .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    try {
      const content = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
      return Buffer.concat([content, decipher.final()]).toString('utf8')
    } catch {
      return undefined
    }
  }

  #key(id: string): Buffer {
    const key = this.#keys.get(id)
    if (!key) throw new Error('There is no key of this id.')
    return key
  }
}
