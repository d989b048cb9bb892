/**
 * The hash of a key to import: the unsalted SHA-256 of the whole key, in hexadecimal or base64. Every other hash is refused with
 * its name: nothing could find a key by a salted one.
 */
import { createHash } from 'node:crypto'

const BYTES = 32
const HEX = /^[0-9a-f]+$/i
const BASE64 = /^[\w+/-]+={0,2}$/
/** Hashes of other kinds, by how they begin or by their number of hexadecimal digits. */
const SALTED: readonly (readonly [RegExp, string])[] = [
  [/^\$2[abxy]?\$/, 'bcrypt'],
  [/^\$?argon2/i, 'Argon2'],
  [/^\$?(scrypt|7\$)/i, 'scrypt'],
  [/^\$?pbkdf2/i, 'PBKDF2'],
  [/[$:]/, 'a hash with a salt or other parameters'],
]
const BY_DIGITS: Readonly<Record<number, string>> = {
  32: 'MD5',
  40: 'SHA-1',
  56: 'SHA-224',
  96: 'SHA-384',
  128: 'SHA-512',
}
const ONLY = 'Only the unsalted SHA-256 of the whole key can be imported'

/** The 32 bytes, or the reason why there are none. */
export function keyHash(given: unknown, prefix: string): Buffer | string {
  if (typeof given !== 'string' || given === '')
    return 'sha256 is missing: the SHA-256 of the whole key, in hex or base64'
  const salted = SALTED.find(([form]) => form.test(given))
  if (salted) return `sha256 is ${salted[1]}. ${ONLY}: issue a new key`
  if (HEX.test(given) && given.length !== 2 * BYTES && given.length in BY_DIGITS) {
    return `sha256 has ${given.length} hexadecimal digits, as ${BY_DIGITS[given.length]} has. ${ONLY}, which has 64`
  }
  if (HEX.test(given) && given.length === 2 * BYTES) return trivial(Buffer.from(given, 'hex'), prefix)
  const bytes = BASE64.test(given) ? Buffer.from(given, 'base64') : undefined
  if (bytes?.length === BYTES) return trivial(bytes, prefix)
  if (HEX.test(given)) return `sha256 has ${given.length} hexadecimal digits. ${ONLY}, which has 64`
  return bytes
    ? `sha256 stands for ${bytes.length} bytes in base64. ${ONLY}, which has ${BYTES}`
    : `sha256 is neither hex nor base64. ${ONLY}`
}

/** Refuses the hash of a text that is no secret, which would let everybody in. */
function trivial(hash: Buffer, prefix: string): Buffer | string {
  const ofNothing = ['', prefix].some(text => createHash('sha256').update(text).digest().equals(hash))
  return ofNothing
    ? 'sha256 is the hash of the prefix alone, or of no text: nothing in the key would be secret'
    : hash
}
