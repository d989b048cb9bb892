/**
 * The one credential of a request, wherever it may stand. Two, even if equal, are refused: which of them counts must
 * not be a guess, nor differ between us and a proxy (RFC 6750 §2). What stood in the query is taken out of it, so that
 * schemas, handlers and logs after this see no secret.
 */
import { keyInUrl, tokenInvalid, tokenMissing, twoCredentials } from './refusals.js'

/** Longer ones do not fit into a request anyway: Node takes 16 KiB of headers. */
const MAX_TOKEN_LENGTH = 16_384
/** What every API key begins with, and no JWT. */
export const KEY_PREFIX = 'slk_'

const BEARER = /^bearer(?: +(\S*))?$/i

/** What was sent as proof; not verified yet. */
export interface Credentials {
  readonly kind: 'token' | 'key' | 'ticket'
  readonly text: string
}

export interface CredentialSources {
  /** As they came, names and values by turns: of doubled headers Node hands on one, or merges them. */
  readonly rawHeaders: readonly string[]
  /** The parsed query. */
  readonly query: unknown
  /** Whether `token` in the query is a credential. Where it is not, it is a parameter like any other. */
  readonly queryToken: boolean
  /** The same for `ticket`; default no. */
  readonly queryTicket?: boolean
}

/** @throws {Problem} 401 where there is none or it cannot be one, 400 `two-credentials`, 400 `key-in-url`. */
export function takeCredentials(sources: CredentialSources): Credentials {
  const { rawHeaders, query, queryToken, queryTicket = false } = sources
  const authorizations = valuesOf(rawHeaders, 'authorization')
  const apiKeys = valuesOf(rawHeaders, 'x-api-key')
  const queryTokens = queryToken ? takeOut(query, 'token') : []
  const queryTickets = queryTicket ? takeOut(query, 'ticket') : []
  const all = [authorizations, apiKeys, queryTokens, queryTickets].flat()
  if (all.length > 1) throw twoCredentials()

  const [apiKey] = apiKeys
  if (apiKey) return { kind: 'key', text: apiKey }
  const [ticket] = queryTickets
  if (typeof ticket === 'string') return { kind: 'ticket', text: ticket }
  const [inQuery] = queryTokens
  if (typeof inQuery === 'string' && inQuery.startsWith(KEY_PREFIX)) throw keyInUrl()
  const text = bearerToken(authorizations[0]) ?? inQuery
  if (typeof text !== 'string' || text === '') throw tokenMissing()
  if (text.startsWith(KEY_PREFIX)) return { kind: 'key', text }
  if (text.length > MAX_TOKEN_LENGTH) throw tokenInvalid('it is too long')
  return { kind: 'token', text }
}

/** What an Authorization header bears; undefined where there is none, or an empty one. */
function bearerToken(authorization: string | undefined): string | undefined {
  return (authorization !== undefined && BEARER.exec(authorization)?.[1]) || undefined
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
}

/** The values of a query parameter, which is gone afterwards. */
function takeOut(query: unknown, name: string): unknown[] {
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return []
  const value: unknown = Reflect.get(query, name)
  Reflect.deleteProperty(query, name)
  return [value].flat()
}
