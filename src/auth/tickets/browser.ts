/**
 * Recognises a returning browser by a cookie of 256 random bits, to which its spent tickets are bound. The cookie opens nothing
 * without a ticket, and a spent ticket opens nothing without the cookie. A browser has one cookie for all its streams, tabs
 * and principals, until the end of the browser session.
 */
import { randomBytes } from 'node:crypto'

const SECRET_BYTES = 32
const NAME = 'sluice_browser'
/**
 * With this prefix, a browser accepts the cookie only from this host over HTTPS (RFC 6265bis §4.1.3.2). Otherwise a page of a
 * related domain could set the attacker's cookie in the victim's browser and then use the victim's stolen tickets.
 */
const SECURE_PREFIX = '__Host-'

export interface Browser {
  /** The value of its cookie. */
  readonly secret: string
  /** The `Set-Cookie` header for a browser that has no cookie yet. */
  readonly setCookie: string | undefined
}

/**
 * The browser that sent these cookies; a new one if none of them is ours.
 * @param cookies the request's `Cookie` header.
 * @param secure whether the request came over HTTPS.
 * @param prefix path under which the gateway is mounted: each of several gateways has a cookie of its own.
 */
export function browserOf(cookies: string | undefined, secure: boolean, prefix = ''): Browser {
  const name = `${secure ? SECURE_PREFIX : ''}${NAME}${suffixOf(prefix)}`
  const brought = new RegExp(`(?:^|;) *${name}=([A-Za-z0-9_-]{43}) *(?:;|$)`).exec(cookies ?? '')?.[1]
  if (brought !== undefined) return { secret: brought, setCookie: undefined }
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  // `__Host-` requires the path /.
  const path = secure || prefix === '' ? '/' : prefix
  // Strict: requests from other sites do not carry it. Without an age, it ends when the browser is closed.
  const setCookie = `${name}=${secret}; Path=${path}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
  return { secret, setCookie }
}

/** `/live` → `_2flive`: no two prefixes have the same, and a cookie's name may hold it. */
function suffixOf(prefix: string): string {
  return prefix.replace(/[^A-Za-z0-9-]/g, character => `_${character.charCodeAt(0).toString(16)}`)
}
