/**
 * The text of an API key, `slk_<id>_<secret>`: the id is public and finds the row, the secret authenticates the holder. Both
 * have only letters and digits, so a key can be parsed in one way only, and a double click selects all of it.
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

/** Takes the place of the hash if there is no such key, so the check takes just as long. No secret has this hash. */
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

/** The text that its holder sees once; it is stored nowhere. */
export function formatApiKey({ id, secret }: ApiKeyText): string {
  return `${KEY_PREFIX}${id}_${secret}`
}

/** Undefined if the text does not have the form of `formatApiKey`. */
export function parseApiKey(text: string): ApiKeyText | undefined {
  const [, id, secret] = KEY.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

/** SHA-256 without salt or stretching: 256 random bits cannot be guessed. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/**
 * Compares in constant time: the duration reveals neither how much of a secret is correct nor whether the key exists.
 * @param hash of the key with that id; undefined if there is none.
 */
export function isSecretOf(secret: string, hash: Buffer | undefined): boolean {
  return timingSafeEqual(hashSecret(secret), hash ?? NO_HASH) && hash !== undefined
}

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}
