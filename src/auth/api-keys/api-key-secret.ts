/**
 * The text of an API key, `slk_<id>_<secret>`: the id is public and finds the row, the secret proves the holder. Only
 * letters and digits stand between the underscores, so a key is read in one way, and a double click selects it whole.
 */
import { createHash, randomInt, timingSafeEqual } from 'node:crypto'
import { KEY_PREFIX } from '../credentials.js'

const DIGITS_AND_LOWER = '0123456789abcdefghijklmnopqrstuvwxyz'
const DIGITS_AND_LETTERS = `${DIGITS_AND_LOWER}ABCDEFGHIJKLMNOPQRSTUVWXYZ`
const ID_LENGTH = 12
/** 43 times log2(62) is more than 256 bits. */
const SECRET_LENGTH = 43

export const KEY_ID_PATTERN = `^[0-9a-z]{${ID_LENGTH}}$`
const KEY = new RegExp(`^${KEY_PREFIX}([0-9a-z]{${ID_LENGTH}})_([0-9A-Za-z]{${SECRET_LENGTH}})$`)

/** Stands in for the hash of a key that is not there, so that looking takes as long. No secret has it. */
const NO_HASH = Buffer.alloc(32)

export interface ApiKeyText {
  readonly id: string
  readonly secret: string
}

export function generateApiKey(): ApiKeyText {
  return {
    id: randomText(DIGITS_AND_LOWER, ID_LENGTH),
    secret: randomText(DIGITS_AND_LETTERS, SECRET_LENGTH),
  }
}

/** Shown to its holder once, and stored nowhere. */
export function formatApiKey({ id, secret }: ApiKeyText): string {
  return `${KEY_PREFIX}${id}_${secret}`
}

/** Undefined for what `formatApiKey` never made. */
export function parseApiKey(text: string): ApiKeyText | undefined {
  const [, id, secret] = KEY.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

/** SHA-256, without salt or stretching: nobody tries out 256 random bits. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/**
 * In a time that depends neither on how much of the secret is right nor on whether there is a key at all.
 * @param hash of the key with that id; undefined where there is none.
 */
export function isSecretOf(secret: string, hash: Buffer | undefined): boolean {
  return timingSafeEqual(hashSecret(secret), hash ?? NO_HASH) && hash !== undefined
}

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}
