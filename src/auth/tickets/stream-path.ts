/**
 * The path that a stream ticket is for: written in one way only, so that the browser, every proxy and the gateway mean
 * the same by it and two texts can be compared.
 */
import { Problem } from '../../problems/problem.js'
import type { Role } from '../principal.js'

/** As long as a path and its query may be; a request's whole head has 16 KiB. */
export const MAX_PATH_LENGTH = 4_096

/** What a browser sends as it is written (RFC 3986 §3.3, §3.4), but `;`, which some take for the start of a query. */
const WRITTEN_OUT =
  /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+)+(?:\?(?:[A-Za-z0-9._~!$&'()*+,=:@/?-]|%[0-9A-Fa-f]{2})*)?$/
const CREDENTIALS = ['token', 'ticket']
/** Stands for this gateway, whatever its name is. */
const SELF = 'http://gateway.invalid'

export interface StreamRoute {
  /** As the router has it, such as `/api/jobs/:id/events`. */
  readonly pattern: string
  /** One of these is needed. */
  readonly roles: readonly Role[]
}

/**
 * The path without its query.
 * @throws {Problem} 400 `invalid-path`.
 */
export function pathnameOf(path: string): string {
  if (path.length > MAX_PATH_LENGTH || !WRITTEN_OUT.test(path)) throw invalidPath('it is not written out')
  const { pathname, search, searchParams } = new URL(path, SELF)
  // A browser resolves `..` and `%2e`; the router here does not.
  if (pathname + search !== path && `${pathname}?` !== path) throw invalidPath('it is not written out')
  if (CREDENTIALS.some(name => searchParams.has(name))) throw invalidPath('it has a token or ticket in it')
  return pathname
}

/** The path that opens the stream: with the ticket in its query. */
export function withTicket(path: string, ticket: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}ticket=${ticket}`
}

/**
 * The route that a path leads to.
 * @throws {Problem} 400 `invalid-path`: to none of these.
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
  const detail = `There is no ticket for this path: ${reason}. Write it as /api/events?types=item.*, without a host.`
  return new Problem(400, 'invalid-path', detail)
}
