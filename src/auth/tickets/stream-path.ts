/**
 * The path of a stream ticket. It has exactly one spelling, so that the browser, every proxy and the gateway read it alike, and
 * paths can be compared as text.
 */
import { Problem } from '../../problems/problem.js'
import type { Role } from '../principal.js'

/** Longest path with query; the whole head of a request has 16 KiB. */
export const MAX_PATH_LENGTH = 4_096

/** Text that browsers send unchanged (RFC 3986 §3.3, §3.4), except `;`, where some servers begin the query. */
const WRITTEN_OUT =
  /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+)+(?:\?(?:[A-Za-z0-9._~!$&'()*+,=:@/?-]|%[0-9A-Fa-f]{2})*)?$/
const CREDENTIALS = ['token', 'ticket']
/** Placeholder for the origin of this gateway. */
const SELF = 'http://gateway.invalid'

export interface StreamRoute {
  /** Pattern of the router, such as `/api/jobs/:id/events`. */
  readonly pattern: string
  /** The caller needs one of these. */
  readonly roles: readonly Role[]
}

/**
 * The path without its query.
 * @throws {Problem} 400 `invalid-path`.
 */
export function pathnameOf(path: string): string {
  if (path.length > MAX_PATH_LENGTH || !WRITTEN_OUT.test(path)) throw invalidPath('it is not in normal form')
  const { pathname, search, searchParams } = new URL(path, SELF)
  // A browser resolves `..` and `%2e`; the router here does not.
  if (pathname + search !== path && `${pathname}?` !== path) throw invalidPath('it is not in normal form')
  if (CREDENTIALS.some(name => searchParams.has(name))) throw invalidPath('it contains a token or ticket')
  return pathname
}

/** The path with the ticket in its query, which opens the stream. */
export function withTicket(path: string, ticket: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}ticket=${ticket}`
}

/**
 * The route of a path.
 * @throws {Problem} 400 `invalid-path` if none of the routes matches.
 */
export function routeAt(pathname: string, routes: readonly StreamRoute[]): StreamRoute {
  const parts = pathname.split('/')
  const route = routes.find(({ pattern }) => {
    const wanted = pattern.split('/')
    return (
      wanted.length === parts.length && wanted.every((part, at) => part.startsWith(':') || part === parts[at])
    )
  })
  if (!route) throw invalidPath('it is not the path of a stream')
  return route
}

function invalidPath(reason: string): Problem {
  const detail = `No ticket for this path: ${reason}. Write it like /api/events?types=item.*, without a host.`
  return new Problem(400, 'invalid-path', detail)
}
