/**
 * The cookie with which a browser follows one stream that it has requested: EventSource sends it, but cannot send a header. Its
 * value is the secret of a ticket that is bound from the start, so the database holds only its hash
 * (docs/decisions/0001-stream-tickets.md). It has the path of the stream, and a name that depends on the stream, so the
 * cookies of several streams on one path exist side by side.
 */
import { createHash, randomBytes } from 'node:crypto'

const SECRET_BYTES = 32
const PREFIX = 'sluice_stream_'
/** 96 bits of a hash: enough to tell a browser's streams apart; the secret alone gives access. */
const TAG_LENGTH = 16
/** Cookies that a browser keeps for one path: about 5 KiB in each request, whose head may have 16 KiB. */
const MAX_COOKIES = 64
const COOKIE = /(?:^|;) *(sluice_stream_[A-Za-z0-9_-]{16})=([A-Za-z0-9_-]{43})(?= *(?:;|$))/g
/** The path of a request, without anything that could end the attribute of a cookie. */
const PATH = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*)+$/

/** @param scope names the stream, and the route that serves it. */
export function nameOfStreamCookie(scope: string): string {
  return PREFIX + createHash('sha256').update(scope).digest('base64url').slice(0, TAG_LENGTH)
}

export function newStreamSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

/** The secret that the browser has for this stream; undefined without one. @param cookies the request's `Cookie` header. */
export function streamSecret(cookies: string | undefined, scope: string): string | undefined {
  const name = nameOfStreamCookie(scope)
  return streamCookies(cookies).find(cookie => cookie.name === name)?.secret
}

export interface NewStreamCookie {
  readonly scope: string
  readonly secret: string
  /** Path of the stream, as the browser will request it. */
  readonly path: string
  /** Whether the request came over HTTPS. */
  readonly secure: boolean
  readonly maxAgeMs: number
}

/** A `Set-Cookie` header. */
export function setStreamCookie({ scope, secret, path, secure, maxAgeMs }: NewStreamCookie): string {
  const age = Math.max(0, Math.floor(maxAgeMs / 1_000))
  return attributes(`${nameOfStreamCookie(scope)}=${secret}`, age, path, secure)
}

/**
 * The `Set-Cookie` headers that remove the oldest cookies of a browser that has too many for this path. Browsers send the
 * oldest first (RFC 6265 §5.4).
 * @param scope the stream that is requested now, whose cookie stays.
 */
export function removeOldStreamCookies(
  cookies: string | undefined,
  { scope, path, secure }: Pick<NewStreamCookie, 'scope' | 'path' | 'secure'>,
): string[] {
  if (!PATH.test(path)) return []
  const own = nameOfStreamCookie(scope)
  const others = streamCookies(cookies).filter(({ name }) => name !== own)
  const old = others.slice(0, Math.max(0, others.length - (MAX_COOKIES - 1)))
  return old.map(({ name }) => attributes(`${name}=`, 0, path, secure))
}

/**
 * The path for the cookie of a stream that lies beside the requested path: `/projects/p/shell` → `/projects/p/events`. It keeps
 * the spelling of the request, since the browser compares paths as text.
 * @param target of the request.
 * @param fallback for a path that no attribute of a cookie can hold.
 */
export function besidePath(target: string, last: string, fallback: string): string {
  const path = target.split(/[?#]/, 1)[0] ?? ''
  const beside = `${path.slice(0, path.lastIndexOf('/') + 1)}${last}`
  return PATH.test(path) && path.split('/').length === fallback.split('/').length ? beside : fallback
}

/** Strict: a page of another site cannot use it. HttpOnly: no script can read it. */
function attributes(pair: string, maxAge: number, path: string, secure: boolean): string {
  return `${pair}; Max-Age=${maxAge}; Path=${path}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
}

function streamCookies(cookies = ''): { readonly name: string; readonly secret: string }[] {
  return [...cookies.matchAll(COOKIE)].flatMap(([, name, secret]) =>
    name === undefined || secret === undefined ? [] : [{ name, secret }],
  )
}
