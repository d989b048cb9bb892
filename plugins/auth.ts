/**
 * Authenticates each request and decides whether its role suffices. Every route declares `config.access`; a route without it
 * fails the boot. The decision depends on the matched route, never on the URL as written, so `//events` or `/%65vents` cannot
 * bypass it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { assertNotExpired } from '../src/auth/credential-end.js'
import {
  type CredentialSources,
  type Credentials,
  carriesCookie,
  carriesCredentials,
  takeCredentials,
} from '../src/auth/credentials.js'
import { allows, type Principal, ROLES } from '../src/auth/principal.js'
import { challenge, keyInvalid, roleTooLow, ticketInvalid, tokenInvalid } from '../src/auth/refusals.js'
import { isSameOrigin, type OriginHeaders } from '../src/auth/same-origin.js'
import { Problem } from '../src/problems/problem.js'
import type { Access } from './caller.js'

export interface AuthOptions {
  /**
   * Authenticates the caller in place of tokens and API keys. Stream tickets are still accepted.
   * @throws a Problem, or an error whose `statusCode` is 4xx, to refuse the request.
   */
  readonly authenticate?: ((request: FastifyRequest) => Promise<Principal>) | undefined
  /** The principal that the JWT in `request.credentials` proves; default: no token is valid. */
  readonly principalOfToken?: ((request: FastifyRequest) => Principal | Promise<Principal>) | undefined
  /** Whether stream routes accept `?token=`. */
  readonly queryToken: boolean
  /** The name of the cookie whose value is a token or an API key, on stream routes, for pages of the same origin. Default: none. */
  readonly cookie?: string | undefined
  /**
   * The principal of an API key, or a Problem; default: no key is valid.
   * @param address the client's; undefined if the app trusts every proxy (`trustProxy: true`): then a key that is
   * restricted to addresses must be refused.
   * @param mayLookUp call this before looking up a key that is not cached; it throws a Problem if the address has already
   * sent too many invalid keys.
   */
  readonly principalOfKey?:
    | ((key: string, address: string | undefined, mayLookUp: () => void) => Promise<Principal>)
    | undefined
  /** The principal of a stream ticket, or a Problem; default: no ticket is valid. @param address as for a key. */
  readonly principalOfTicket?:
    | ((ticket: string, reply: FastifyReply, address: string | undefined) => Promise<Principal>)
    | undefined
  /** The principal of the request's stream cookie; undefined without one; a Problem if it is not valid. Default: there is none. */
  readonly principalOfStreamCookie?:
    | ((request: FastifyRequest, reply: FastifyReply) => Promise<Principal | undefined>)
    | undefined
  /** Called for every refusal; must neither wait nor throw. */
  readonly onRefusal?:
    | ((request: FastifyRequest, problem: Problem, tried: Credentials | undefined) => void)
    | undefined
  /**
   * Throws a Problem if the credentials have been revoked since they were issued; default: none are. Called for each
   * request, because verified credentials are cached. A promise is awaited.
   */
  readonly assertNotRevoked?: ((principal: Principal) => Promise<void> | undefined) | undefined
}

export default fp<AuthOptions>(
  async (app, { queryToken, cookie, authenticate, ...given }) => {
    const {
      principalOfToken = noTokens,
      principalOfKey = noKeys,
      principalOfTicket = noTickets,
      principalOfStreamCookie = noStreamCookies,
      assertNotRevoked = noRevocations,
      onRefusal,
    } = given

    app.addHook('onRoute', ({ method, url, config }) => {
      const access: unknown = config?.access
      if (access === 'public' || isRoles([access].flat())) return
      throw new Error(`${method} ${url} must declare config.access: 'public', or one of ${ROLES.join(', ')}.`)
    })

    app.addHook('onRequest', (request, reply, done) => {
      const access: Access | undefined = request.routeOptions.config.access
      if (access === 'public' || request.is404) done()
      else admit(request, reply, access).then(() => done(), done)
    })

    async function admit(
      request: FastifyRequest,
      reply: FastifyReply,
      access: Exclude<Access, 'public'> | undefined,
    ): Promise<void> {
      try {
        // Most tokens are cached and all revocations are in memory: these checks return values, not promises of their own.
        const caller = await callerOf(request, reply)
        // A revoked caller counts as unauthenticated, so its requests are charged to the IP address's rate limit.
        await assertNotRevoked(caller)
        request.caller = caller
        // The check at boot cannot see routes that were registered before this plugin, so such a route stays closed.
        if (access === undefined) throw new Error(`${request.routeOptions.url} declares no config.access`)
        const needed = [access].flat()
        if (!allows(caller.role, needed)) throw roleTooLow(caller.role, needed)
      } catch (error) {
        if (error instanceof Problem) onRefusal?.(request, error, request.credentials)
        // A refused request is charged too, so the address's rate limit bounds how fast a client can guess.
        if (error instanceof Problem && error.status < 500) await app.spendBudget(request, reply)
        throw challenged(reply, error)
      } finally {
        request.credentials = undefined
      }
    }

    // A body may take half a minute to arrive. If the credentials end meanwhile, the request must not change anything.
    app.addHook('preHandler', ({ caller }, reply, done) => {
      if (caller) confirm(caller, reply).then(() => done(), done)
      else done()
    })

    async function confirm(caller: Principal, reply: FastifyReply): Promise<void> {
      try {
        await assertNotRevoked(caller)
        assertNotExpired(caller, Date.now())
      } catch (error) {
        throw challenged(reply, error)
      }
    }

    /** Authenticates a request by its one credential in a header or the query, or else by the cookie of the stream that it opens. */
    function callerOf(request: FastifyRequest, reply: FastifyReply): Principal | Promise<Principal> {
      const isStream = request.routeOptions.config.stream !== undefined
      const sources = {
        rawHeaders: request.raw.rawHeaders,
        query: request.query,
        queryToken: queryToken && isStream,
        queryTicket: isStream,
        cookie:
          cookie && isStream && isReading(request) && isSameOrigin(originOf(request)) ? cookie : undefined,
      }
      return carriesCredentials(sources)
        ? byCredentials(request, reply, sources)
        : byCookies(request, reply, sources)
    }

    /** The browser's session may be newer than the cookie of the stream, which counts first as long as it is valid. */
    async function byCookies(
      request: FastifyRequest,
      reply: FastifyReply,
      sources: CredentialSources,
    ): Promise<Principal> {
      try {
        const follower = await principalOfStreamCookie(request, reply)
        if (follower) {
          await assertNotRevoked(follower)
          return follower
        }
      } catch (error) {
        const hasSession = authenticate !== undefined || carriesCookie(sources)
        if (!hasSession || !(error instanceof Problem) || error.status !== 401) throw error
        request.credentials = undefined
      }
      return byCredentials(request, reply, sources)
    }

    function byCredentials(
      request: FastifyRequest,
      reply: FastifyReply,
      sources: CredentialSources,
    ): Principal | Promise<Principal> {
      if (authenticate && !(sources.queryTicket && hasTicket(request))) return authenticate(request)
      const credentials = takeCredentials(sources)
      request.credentials = credentials
      switch (credentials.kind) {
        case 'token':
          return principalOfToken(request)
        case 'key':
          return principalOfKey(credentials.text, request.believedAddress, () =>
            app.assertMayFail(request, reply),
          )
        case 'ticket':
          // Every ticket costs a look-up in the database.
          app.assertMayFail(request, reply)
          return principalOfTicket(credentials.text, reply, request.believedAddress)
      }
    }
  },
  { name: 'auth', dependencies: ['request-caller', 'rate-limit'] },
)

function isReading({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

function originOf({ headers, host }: FastifyRequest): OriginHeaders {
  return { site: headers['sec-fetch-site'], origin: headers.origin, host }
}

function hasTicket({ query }: FastifyRequest): boolean {
  return typeof query === 'object' && query !== null && Object.hasOwn(query, 'ticket')
}

function isRoles(values: readonly unknown[]): boolean {
  return values.length > 0 && values.every(value => ROLES.some(role => role === value))
}

async function noTokens(): Promise<never> {
  throw tokenInvalid('tokens are not accepted here')
}

async function noKeys(): Promise<never> {
  throw keyInvalid()
}

function noRevocations(): undefined {}

async function noStreamCookies(): Promise<undefined> {}

async function noTickets(): Promise<never> {
  throw ticketInvalid()
}

/** Sets the `WWW-Authenticate` header that the error needs, and returns the error. */
function challenged(reply: FastifyReply, error: unknown): unknown {
  const header = error instanceof Problem ? challenge(error) : undefined
  if (header !== undefined) reply.header('www-authenticate', header)
  return error
}
