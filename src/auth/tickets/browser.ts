/**
 * Which browser comes back, by a cookie that proves nothing else: 256 random bits that say whose spent tickets are
 * whose. It opens nothing without a ticket, and a spent ticket opens nothing without it. One browser has one,
 * however many streams, tabs and principals; it has no end of its own but the browser's session.
 */
import { randomBytes } from 'node:crypto'

const SECRET_BYTES = 32
const NAME = 'sluice_browser'
/**
 * The prefix makes a browser refuse the cookie from anybody but this host over HTTPS (RFC 6265bis §4.1.3.2): otherwise a
 * page of a sibling domain could give a victim the attacker's own, and the victim's stolen tickets with it.
 */
const SECURE_NAME = `__Host-${NAME}`

export interface Browser {
  /** What its cookie holds. */
  readonly secret: string
  /** `Set-Cookie` for one that has none yet. */
  readonly setCookie: string | undefined
}

/**
 * The browser that sent these cookies; a new one where there is none among them that could be ours.
 * @param cookies the request's `Cookie` header.
 * @param secure whether the request came over HTTPS.
 */
export function browserOf(cookies: string | undefined, secure: boolean): Browser {
  const name = secure ? SECURE_NAME : NAME
  const brought = new RegExp(`(?:^|;) *${name}=([A-Za-z0-9_-]{43}) *(?:;|$)`).exec(cookies ?? '')?.[1]
  if (brought !== undefined) return { secret: brought, setCookie: undefined }
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  // Strict: what other sites have a browser ask for comes without it. Without an age it goes when the browser is closed.
  const setCookie = `${name}=${secret}; Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
  return { secret, setCookie }
}
