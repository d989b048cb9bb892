/**
 * Who calls, and whether they may. Every route declares in `config.access` the role that it needs; one that does not
 * fails at boot. The decision is made on the route that was matched, never on the URL as it was written, so that
 * `//events` or `/%65vents` cannot walk past it.
 */
import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { createKeySet } from '../src/auth/key-set.js'
import type { Keys } from '../src/auth/keys.js'
import { allows, type Principal, ROLES, type Role } from '../src/auth/principal.js'
import {
  bearerToken,
  CLOCK_TOLERANCE_MS,
  type ClaimRules,
  challenge,
  MAX_TOKEN_LENGTH,
  principalOf,
  roleTooLow,
  tokenExpired,
  tokenInvalid,
  tokenMissing,
  twoCredentials,
} from '../src/auth/token.js'
import { Problem } from '../src/errors.js'

type Access = Role | readonly Role[] | 'public'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The role that the route needs, or roles one of which it needs; `public` for one that needs no token. */
    access: Access
    /** A route for EventSource, which cannot set headers: it takes `?token=` too, unless that is switched off. */
    stream?: true
  }
  interface FastifyRequest {
    /** Who calls; nobody on public routes. */
    caller: Principal | undefined
    /** Who calls, on a route that is not public. */
    readonly principal: Principal
  }
  interface FastifyInstance {
    /** A token for `principal`, good for so many seconds. Only where JWTs are proven by a secret. */
    signToken(principal: Pick<Principal, 'id' | 'workspace' | 'role'>, lifetimeSeconds: number): string
  }
}

export interface AuthOptions {
  readonly keys: Keys
  readonly claims: ClaimRules
  /** Whether stream routes take `?token=`. */
  readonly queryToken: boolean
}

/** Verified tokens that are remembered, each at most for its own life. */
const REMEMBERED_TOKENS = 1_000

export default fp<AuthOptions>(
  async (app, { keys, claims, queryToken }) => {
    await app.register(jwt, {
      ...verificationKey(keys),
      verify: {
        algorithms: [...keys.algorithms],
        clockTolerance: CLOCK_TOLERANCE_MS,
        cache: REMEMBERED_TOKENS,
        extractToken: request => tokenOf(request, queryToken && request.routeOptions.config.stream === true),
      },
    })

    app.decorateRequest('caller', undefined)
    app.decorateRequest('principal', {
      getter() {
        if (this.caller === undefined)
          throw new Error(`${this.routeOptions.url} is public: nobody is known here`)
        return this.caller
      },
    })

    app.addHook('onRoute', ({ method, url, config }) => {
      const access: unknown = config?.access
      if (access === 'public' || isRoles([access].flat())) return
      throw new Error(`${method} ${url} must declare config.access: 'public', or one of ${ROLES.join(', ')}.`)
    })

    app.addHook('onRequest', async (request, reply) => {
      const access: Access | undefined = request.routeOptions.config.access
      if (access === 'public' || request.is404) return
      try {
        const caller = principalOf(await verifiedClaims(request, keys), claims)
        // A route that was there before this plugin may have escaped the check at boot: it stays shut.
        if (access === undefined) throw new Error(`${request.routeOptions.url} declares no config.access`)
        const needed = [access].flat()
        if (!allows(caller.role, needed)) throw roleTooLow(caller.role, needed)
        request.caller = caller
      } catch (error) {
        const header = error instanceof Problem ? challenge(error) : undefined
        if (header !== undefined) reply.header('www-authenticate', header)
        throw error
      }
      if (request.routeOptions.config.stream && queryToken) forgetQueryToken(request)
    })

    app.decorate('signToken', ({ id, workspace, role }, lifetimeSeconds) => {
      if (keys.kind !== 'secret') throw new Error('A public key cannot sign tokens.')
      const { workspaceClaim, roleClaim, issuer, audience } = claims
      return app.jwt.sign(
        { sub: id, [workspaceClaim]: workspace, [roleClaim]: role, iss: issuer, aud: audience },
        { algorithm: 'HS256', expiresIn: lifetimeSeconds },
      )
    })
  },
  { name: 'auth', dependencies: ['problems'] },
)

function isRoles(values: readonly unknown[]): boolean {
  return values.length > 0 && values.every(value => ROLES.some(role => role === value))
}

function verificationKey(keys: Keys): Pick<FastifyJWTOptions, 'secret' | 'decode'> {
  if (keys.kind === 'secret') return { secret: keys.secret }
  if (keys.kind === 'public') return { secret: { public: keys.pem } }
  const set = createKeySet(keys.url)
  const find = (_: FastifyRequest, token: TokenOrHeader) => set.find('header' in token ? token.header : token)
  return { secret: { public: find }, decode: { complete: true } }
}

/** @throws {Problem} 401, or 503 when the keys cannot be fetched. @fastify/jwt itself answers some bad tokens with 500. */
async function verifiedClaims(request: FastifyRequest, keys: Keys): Promise<object> {
  try {
    return await request.jwtVerify<object>()
  } catch (error) {
    throw error instanceof Problem ? error : refusal(error, keys)
  }
}

function refusal(error: unknown, keys: Keys): Problem {
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED':
      return tokenExpired()
    case 'FST_JWT_AUTHORIZATION_TOKEN_INVALID':
      return tokenInvalid('its signature does not fit')
    case 'FAST_JWT_MISSING_SIGNATURE':
      return tokenInvalid('it is not signed')
    case 'FAST_JWT_INVALID_ALGORITHM':
      return tokenInvalid(`it must be signed with ${keys.algorithms.join(' or ')}`)
    case 'FAST_JWT_INACTIVE':
      return tokenInvalid('its time (`nbf`) has not come yet')
    case 'FAST_JWT_INVALID_CLAIM_TYPE':
      return tokenInvalid('`exp` and `nbf` must be seconds since 1970')
    default:
      return tokenInvalid('it is not a JWT')
  }
}

/** The one token of a request. Two, even if equal, are refused: which of them counts must not be a guess (RFC 6750 §2). */
function tokenOf(request: FastifyRequest, fromQuery: boolean): string {
  const authorizations = request.raw.rawHeaders.filter(
    (name, at) => at % 2 === 0 && /^authorization$/i.test(name),
  )
  const inQuery = fromQuery ? queryTokenOf(request) : undefined
  if (authorizations.length + (inQuery === undefined ? 0 : [inQuery].flat().length) > 1)
    throw twoCredentials()
  const token = bearerToken(request.headers.authorization) ?? inQuery
  if (typeof token !== 'string' || token === '') throw tokenMissing()
  if (token.length > MAX_TOKEN_LENGTH) throw tokenInvalid('it is too long')
  return token
}

function queryTokenOf({ query }: FastifyRequest): unknown {
  return typeof query === 'object' && query !== null && 'token' in query ? query.token : undefined
}

/** Schemas, handlers and answers after this see no secret. */
function forgetQueryToken({ query }: FastifyRequest): void {
  if (typeof query === 'object' && query !== null) Reflect.deleteProperty(query, 'token')
}
