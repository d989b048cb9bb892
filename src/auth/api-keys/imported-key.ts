/**
 * The text of a key that a former system issued and that was imported by its hash. It has the form of that system, so only its
 * hash finds it. Nothing here can take it for one of our own keys or for a JWT.
 */
import { IMPORTED_KEY, isTokenText, KEY_PREFIX } from '../credentials.js'

const PREFIX = /^[!-~]{3,32}$/
/**
 * An unsalted hash protects a secret only if nobody can try all secrets. So the text after the public prefix must be random and
 * at least this long: 16 hexadecimal digits are 64 bits, 22 letters and digits 128.
 */
const SECRET_LENGTH = 16

export const PREFIX_RULE =
  '3 to 32 visible ASCII characters, the beginning of the key, and neither slk_ nor the beginning of a JWT'

export function isImportablePrefix(text: string): boolean {
  return PREFIX.test(text) && !text.startsWith(KEY_PREFIX) && !isTokenText(text)
}

/** Whether the text may be such a key, so that a look-up is worth its query. */
export function mayBeImported(text: string): boolean {
  return IMPORTED_KEY.test(text) && !text.startsWith(KEY_PREFIX)
}

/** Whether the text is of the form that was imported with this prefix. */
export function hasImportedForm(text: string, prefix: string): boolean {
  return text.startsWith(prefix) && text.length >= prefix.length + SECRET_LENGTH
}
