/**
 * Who calls, and whether they may. Every route declares in `config.access` the role that it needs; one that does not
 * fails at boot. The decision is made on the route that was matched, never on the URL as it was written, so that
 * `//events` or `/%65vents` cannot walk past it.
 */
import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { assertNotExpired } from '../src/auth/credential-end.js'
import { type Credentials, takeCredentials } from '../src/auth/credentials.js'
import { allows, type Principal, ROLES, type Role } from '../src/auth/principal.js'
import { challenge, keyInvalid, roleTooLow, ticketInvalid, tokenRefusal } from '../src/auth/refusals.js'
import { createKeySet } from '../src/auth/tokens/key-set.js'
import type { Keys } from '../src/auth/tokens/keys.js'
import { CLOCK_TOLERANCE_MS, type ClaimRules, principalOf } from '../src/auth/tokens/token.js'
import { requireTokenForm } from '../src/auth/tokens/token-form.js'
import { VerifiedTokens } from '../src/auth/tokens/verified-tokens.js'
import { believesAnybody } from '../src/network/client-address.js'
import { Problem } from '../src/problems/problem.js'
import type { Encoding } from '../src/sse/encoding.js'

type Access = Role | readonly Role[] | 'public'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The role that the route needs, or roles one of which it needs; `public` for one that needs no token. */
    access: Access
    /**
     * How the stream looks that a request opens; undefined for a request that opens none. A route that has this is for
     * EventSource, which cannot set headers: it takes `?ticket=` too, and `?token=` unless that is switched off. The query
     * has not been checked yet.
     */
    stream?: (request: FastifyRequest) => Encoding | undefined
  }
  interface FastifyRequest {
    /** Who calls; nobody on public routes. */
    caller: Principal | undefined
    /** Who calls, on a route that is not public. */
    readonly principal: Principal
    /** The client's address, for rules about it; undefined where the app takes anybody's word for it (`trustProxy: true`). */
    readonly believedAddress: string | undefined
    /** What the request proves itself by, while that is looked at. */
    credentials: Credentials | undefined
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
  /**
   * Whose an API key is, or a Problem; default: no key is known.
   * @param address of the client; undefined where the app believes what anybody says of it (`trustProxy: true`), so
   * that no key is taken that is good from some addresses only.
   * @param mayLookUp to be called before a key is looked up that is not known yet; throws a Problem when the address
   * has brought too many that were none.
   */
  readonly principalOfKey?:
    | ((key: string, address: string | undefined, mayLookUp: () => void) => Promise<Principal>)
    | undefined
  /** Whose a stream ticket is, or a Problem; default: no ticket is good. @param address as for a key. */
  readonly principalOfTicket?:
    | ((ticket: string, reply: FastifyReply, address: string | undefined) => Promise<Principal>)
    | undefined
  /** Told of every refusal; must neither wait nor throw. */
  readonly onRefusal?: (request: FastifyRequest, problem: Problem, tried: Credentials | undefined) => void
  /**
   * Throws a Problem where the credentials have been revoked since they were issued; default: none ever are. Asked for
   * each request, because what was verified once is remembered.
   */
  readonly assertNotRevoked?: ((principal: Principal) => Promise<void>) | undefined
}

const BELIEVING =
  "trustProxy believes anybody's X-Forwarded-For: API keys with allowed_ips are refused. Name the proxies' addresses."
/** Verified tokens that are remembered, each at most for its own life. */
const REMEMBERED_TOKENS = 1_000

export default fp<AuthOptions>(
  async (app, { keys, claims, queryToken, ...given }) => {
    const {
      principalOfKey = noKeys,
      principalOfTicket = noTickets,
      assertNotRevoked = noRevocations,
      onRefusal,
    } = given
    await app.register(jwt, {
      ...verificationKey(keys),
      verify: {
        algorithms: [...keys.algorithms],
        clockTolerance: CLOCK_TOLERANCE_MS,
        cache: REMEMBERED_TOKENS,
        extractToken: request => request.credentials?.text,
      },
    })

    app.decorateRequest('credentials', undefined)
    app.decorateRequest('caller', undefined)
    app.decorateRequest('principal', {
      getter() {
        if (this.caller === undefined)
          throw new Error(`${this.routeOptions.url} is public: nobody is known here`)
        return this.caller
      },
    })

    let believing: boolean | undefined
    app.decorateRequest('believedAddress', {
      getter() {
        if (believing === undefined) {
          believing = believesAnybody(this)
          if (believing) app.log.warn(BELIEVING)
        }
        return believing ? undefined : this.ip
      },
    })

    app.addHook('onRoute', ({ method, url, config }) => {
      const access: unknown = config?.access
      if (access === 'public' || isRoles([access].flat())) return
      throw new Error(`${method} ${url} must declare config.access: 'public', or one of ${ROLES.join(', ')}.`)
    })

    app.addHook('onRequest', async (request, reply) => {
      const { url, config } = request.routeOptions
      const access: Access | undefined = config.access
      if (access === 'public' || request.is404) return
      try {
        const caller = await authenticate(request, reply)
        // Whoever was revoked is nobody: what he sends is not on the budget of whom he was.
        await assertNotRevoked(caller)
        request.caller = caller
        // A route that was there before this plugin may have escaped the check at boot: it stays shut.
        if (access === undefined) throw new Error(`${url} declares no config.access`)
        const needed = [access].flat()
        if (!allows(caller.role, needed)) throw roleTooLow(caller.role, needed)
      } catch (error) {
        if (error instanceof Problem) onRefusal?.(request, error, request.credentials)
        // To fail costs a request too. Guessing goes on at the pace of that budget, and no faster.
        if (error instanceof Problem && error.status < 500) await app.spendBudget(request, reply)
        throw challenged(reply, error)
      } finally {
        request.credentials = undefined
      }
    })
    // A body may take half a minute to arrive. Credentials that were revoked or ended meanwhile change nothing any more.
    app.addHook('preHandler', async ({ caller }, reply) => {
      if (!caller) return
      try {
        await assertNotRevoked(caller)
        assertNotExpired(caller, Date.now())
      } catch (error) {
        throw challenged(reply, error)
      }
    })

    /** Whoever the one credential of a request proves. */
    async function authenticate(request: FastifyRequest, reply: FastifyReply): Promise<Principal> {
      const isStream = request.routeOptions.config.stream !== undefined
      const credentials = takeCredentials({
        rawHeaders: request.raw.rawHeaders,
        query: request.query,
        queryToken: queryToken && isStream,
        queryTicket: isStream,
      })
      request.credentials = credentials
      switch (credentials.kind) {
        case 'token':
          return await principalOfToken(request, credentials.text)
        case 'key':
          return await principalOfKey(credentials.text, request.believedAddress, () =>
            app.assertMayFail(request, reply),
          )
        case 'ticket':
          // Each ticket is looked up.
          app.assertMayFail(request, reply)
          return await principalOfTicket(credentials.text, reply, request.believedAddress)
      }
    }

    const verified = keys.kind === 'set' ? undefined : new VerifiedTokens()
    async function principalOfToken(request: FastifyRequest, token: string): Promise<Principal> {
      const known = verified?.find(token)
      if (known) return known
      const principal = principalOf(await verifiedClaims(request, keys), claims)
      verified?.add(token, principal)
      return principal
    }

    app.decorate('signToken', ({ id, workspace, role }, lifetimeSeconds) => {
      if (keys.kind !== 'secret') throw new Error('A public key cannot sign tokens.')
      const { workspaceClaim, roleClaim, issuer, audience } = claims
      return app.jwt.sign(
        { sub: id, [workspaceClaim]: workspace, [roleClaim]: role, iss: issuer, aud: audience },
        { algorithm: 'HS256', expiresIn: lifetimeSeconds },
      )
    })
  },
  { name: 'auth', dependencies: ['problems', 'rate-limit'] },
)

async function noKeys(): Promise<never> {
  throw keyInvalid()
}

async function noRevocations(): Promise<void> {}

async function noTickets(): Promise<never> {
  throw ticketInvalid()
}

/** The error, after its header has been set. */
function challenged(reply: FastifyReply, error: unknown): unknown {
  const header = error instanceof Problem ? challenge(error) : undefined
  if (header !== undefined) reply.header('www-authenticate', header)
  return error
}

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
    const claims = await request.jwtVerify<object>()
    // Only of what is rightly signed: everything else is refused for that, and cheaply.
    requireTokenForm(request.credentials?.text ?? '')
    return claims
  } catch (error) {
    if (error instanceof Problem) throw error
    throw tokenRefusal(error instanceof Error && 'code' in error ? error.code : undefined, keys.algorithms)
  }
}
