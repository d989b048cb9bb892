/**
 * Checks the form of a token before its signature: three parts in canonical base64url, no header that changes the meaning of
 * the token, no duplicate names. Where two parsers could differ, a token could mean one thing to its issuer and another to us
 * (RFC 8725 §2.4, §3.11).
 */
import { isUtf8 } from 'node:buffer'
import { tokenInvalid } from '../refusals.js'

/** The types of an access token (RFC 9068 §2.1). Tokens of other types are for other uses and must not work here. */
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt', 'at+jwt'])
/** Each changes the meaning of the token's parts: compressed, encrypted, not encoded, a nested token. */
const STRANGE_HEADERS = ['zip', 'enc', 'b64', 'cty']
/** An unterminated string ends with the text, so the scan is linear. */
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
    throw tokenInvalid(`its header must not contain ${STRANGE_HEADERS.join(', ')}`)
  }
}

/** Whether the part is the canonical encoding of its bytes. Otherwise one token could have several texts. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function membersOf(part: string): Readonly<Record<string, unknown>> {
  const bytes = Buffer.from(part, 'base64url')
  // Invalid bytes would all become U+FFFD, so two subjects could become one.
  if (!isUtf8(bytes)) throw tokenInvalid('it is not UTF-8')
  const text = bytes.toString()
  const value = parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw tokenInvalid('it is not a JWT')
  }
  if (namesTwice(text)) throw tokenInvalid('it has a member twice')
  return value as Record<string, unknown>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw tokenInvalid('it is not a JWT')
  }
}

/**
 * Whether an object of the JSON text, at any depth, has two members with the same name. RFC 7519 §4 does not say which one
 * counts, and the role may be a nested claim.
 */
function namesTwice(json: string): boolean {
  const outer: Set<unknown>[] = []
  let names = new Set<unknown>()
  let last = ''
  for (const [piece] of json.matchAll(PIECES)) {
    if (piece === '{' || piece === '[') {
      outer.push(names)
      names = new Set()
    } else if (piece === '}' || piece === ']') names = outer.pop() ?? names
    else if (piece !== ':') last = piece
    else {
      const name: unknown = JSON.parse(last)
      if (names.has(name)) return true
      names.add(name)
    }
  }
  return false
}
