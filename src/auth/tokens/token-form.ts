/**
 * The form of a token, looked at before its signature: three parts in the one right way to write them, a header that
 * asks for nothing we would have to understand, names that are there once. A library that reads on where two readers
 * could differ lets a token mean one thing to who issued it and another to us (RFC 8725 §2.4, §3.11).
 */
import { isUtf8 } from 'node:buffer'
import { tokenInvalid } from '../refusals.js'

/** What an access token may call itself (RFC 9068 §2.1); others are for other uses, and must not do for this one. */
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt', 'at+jwt'])
/** Each changes what the parts of the token are: compressed, encrypted, not encoded, another token. */
const STRANGE_HEADERS = ['zip', 'enc', 'b64', 'cty']
/** A string ends with the text at the latest, so that no character is looked at twice. */
const PIECES = /"(?:[^"\\]|\\.)*(?:"|\\?$)|[{}[\]:]/gs

/** @throws {Problem} 401 `token-invalid`. */
export function requireTokenForm(token: string): void {
  const [header = '', claims = '', signature = '', ...more] = token.split('.')
  if (more.length > 0 || ![header, claims, signature].every(isCanonical)) {
    throw tokenInvalid('it is not a JWT')
  }
  const members = membersOf(header)
  membersOf(claims)
  const type = typeof members.typ === 'string' ? members.typ.toLowerCase() : members.typ
  if (!TYPES.has(typeof type === 'string' ? type.replace(/^application\//, '') : type)) {
    throw tokenInvalid('its `typ` is not that of an access token')
  }
  if (STRANGE_HEADERS.some(name => Object.hasOwn(members, name))) {
    throw tokenInvalid(`it must do without ${STRANGE_HEADERS.join(', ')} in its header`)
  }
}

/** Whether this is how its bytes are written: other spellings would make many tokens of one. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function membersOf(part: string): Readonly<Record<string, unknown>> {
  const bytes = Buffer.from(part, 'base64url')
  // Bytes that are not UTF-8 would be read as U+FFFD, which makes one subject of two.
  if (!isUtf8(bytes)) throw tokenInvalid('it is not UTF-8')
  const text = bytes.toString()
  const value = parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw tokenInvalid('it is not a JWT')
  }
  if (namesTwice(text)) throw tokenInvalid('it names something twice')
  return value as Record<string, unknown>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw tokenInvalid('it is not a JWT')
  }
}

/** Whether an object, written as this JSON, has two members of one name. RFC 7519 §4 leaves it open which would count. */
function namesTwice(json: string): boolean {
  const names = new Set<unknown>()
  let depth = 0
  let last = ''
  for (const [piece] of json.matchAll(PIECES)) {
    if (piece === '{' || piece === '[') depth++
    else if (piece === '}' || piece === ']') depth--
    else if (piece !== ':') last = piece
    else if (depth === 1) {
      const name: unknown = JSON.parse(last)
      if (names.has(name)) return true
      names.add(name)
    }
  }
  return false
}
