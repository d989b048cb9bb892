/**
 * Finds the credential of a request, in headers or query, or else in a cookie. Two credentials are refused, even if equal: which one counts must
 * not be a guess, nor differ between us and a proxy (RFC 6750 §2). Credentials are removed from the query, so schemas, handlers
 * and logs see no secret.
 */
import { keyInUrl, tokenInvalid, tokenMissing, twoCredentials } from './refusals.js'

/** Longer tokens do not fit into a request: Node accepts 16 KiB of headers. */
const MAX_TOKEN_LENGTH = 16_384
/** The beginning of every API key, and of no JWT. */
export const KEY_PREFIX = 'slk_'

/** The form of a key of a former system that was imported: visible ASCII, as a header can carry, and not short. */
export const IMPORTED_KEY = /^[!-~]{20,256}$/
/** The start of every JWT whose header begins with `{"`, in base64url. */
const JWT_START = 'eyJ'

const BEARER = /^bearer(?: +(\S*))?$/i

/** Credentials that have not been verified yet. */
export interface Credentials {
  readonly kind: 'token' | 'key' | 'ticket'
  readonly text: string
}

export interface CredentialSources {
  /** Names and values alternately, as received: Node drops or merges duplicate headers elsewhere. */
  readonly rawHeaders: readonly string[]
  /** The parsed query. */
  readonly query: unknown
  /** Whether `token` in the query is a credential; otherwise it is an ordinary parameter. */
  readonly queryToken: boolean
  /** Whether `ticket` in the query is a credential; default false. */
  readonly queryTicket?: boolean
  /** The name of the cookie that is a credential if headers and query carry none; default: no cookie is. */
  readonly cookie?: string | undefined
}

/** @throws {Problem} 401 if there is none or it is malformed, 400 `two-credentials`, 400 `key-in-url`. */
export function takeCredentials(sources: CredentialSources): Credentials {
  const { rawHeaders, query, queryToken, queryTicket = false, cookie } = sources
  const authorizations = valuesOf(rawHeaders, 'authorization')
  const apiKeys = valuesOf(rawHeaders, 'x-api-key')
  const queryTokens = queryToken ? takeOut(query, 'token') : []
  const queryTickets = queryTicket ? takeOut(query, 'ticket') : []
  const all = [authorizations, apiKeys, queryTokens, queryTickets].flat()
  const cookies = cookie === undefined || all.length > 0 ? [] : cookiesNamed(cookie, rawHeaders)
  if (all.length > 1 || cookies.length > 1) throw twoCredentials()

  const [apiKey] = apiKeys
  if (apiKey) return { kind: 'key', text: apiKey }
  const [ticket] = queryTickets
  if (typeof ticket === 'string') return { kind: 'ticket', text: ticket }
  const [inQuery] = queryTokens
  if (typeof inQuery === 'string' && inQuery.startsWith(KEY_PREFIX)) throw keyInUrl()
  const text = bearerToken(authorizations[0]) ?? inQuery ?? cookies[0]
  if (typeof text !== 'string' || text === '') throw tokenMissing()
  if (text.startsWith(KEY_PREFIX)) return { kind: 'key', text }
  if (text.length > MAX_TOKEN_LENGTH) throw tokenInvalid('it is too long')
  // Keys of a former system have its form. In a URL they are never accepted.
  const isKey = inQuery === undefined && IMPORTED_KEY.test(text) && !isTokenText(text)
  return { kind: isKey ? 'key' : 'token', text }
}

/** Whether a bearer text is a JWT, or meant to be one: it has three parts or more, or begins like one. */
export function isTokenText(text: string): boolean {
  return text.startsWith(JWT_START) || text.split('.', 3).length === 3
}

/** Whether a header or the query of the request carries a credential, valid or not. Takes nothing out of the query. */
export function carriesCredentials({
  rawHeaders,
  query,
  queryToken,
  queryTicket = false,
}: CredentialSources): boolean {
  if (['authorization', 'x-api-key'].some(name => valuesOf(rawHeaders, name).length > 0)) return true
  const names = [...(queryToken ? ['token'] : []), ...(queryTicket ? ['ticket'] : [])]
  return typeof query === 'object' && query !== null && names.some(name => Object.hasOwn(query, name))
}

/** Whether the request carries the cookie that is a credential, valid or not. */
export function carriesCookie({ rawHeaders, cookie }: CredentialSources): boolean {
  return cookie !== undefined && cookiesNamed(cookie, rawHeaders).length > 0
}

/** The bearer token of an Authorization header; undefined if there is none or it is empty. */
function bearerToken(authorization: string | undefined): string | undefined {
  return (authorization !== undefined && BEARER.exec(authorization)?.[1]) || undefined
}

/** The values of all cookies of this name. A value may be in quotes (RFC 6265 §4.1.1). */
function cookiesNamed(name: string, rawHeaders: readonly string[]): string[] {
  const pairs = valuesOf(rawHeaders, 'cookie').flatMap(header => header.split(';'))
  const values = pairs.map(pair => pair.trim()).filter(pair => pair.startsWith(`${name}=`))
  return values.map(pair => pair.slice(name.length + 1).replace(/^"([^"]*)"$/, '$1'))
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] ?? ''
    if (header.length === name.length && header.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '')
  }
  return values
}

/** Removes a query parameter and returns its values. */
function takeOut(query: unknown, name: string): unknown[] {
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return []
  const value: unknown = Reflect.get(query, name)
  Reflect.deleteProperty(query, name)
  return [value].flat()
}
