/**
 * Verifies the JWTs of callers, and signs JWTs if the key is a secret. While the key is being changed, tokens of the previous key are
 * valid too, but it signs none. A `kid` in a token selects a key of a key set only: configured keys have no ids. @fastify/jwt
 * runs under a name of its own, so a host that uses it for its own tokens keeps `app.jwt`, `request.jwtVerify` and `request.user`
 * as they are.
 */
import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { GRANTS_RULE, readGrants } from '../src/auth/grants/grants.js'
import type { Principal } from '../src/auth/principal.js'
import { tokenRefusal } from '../src/auth/refusals.js'
import { nameOfRole } from '../src/auth/role-names.js'
import type { SignedPrincipal } from '../src/auth/signed-principal.js'
import { withClaim } from '../src/auth/tokens/claims.js'
import { createKeySet } from '../src/auth/tokens/key-set.js'
import type { Key, Keys } from '../src/auth/tokens/keys.js'
import { CLOCK_TOLERANCE_MS, type ClaimRules, principalOf } from '../src/auth/tokens/token.js'
import { requireTokenForm } from '../src/auth/tokens/token-form.js'
import { VerifiedTokens } from '../src/auth/tokens/verified-tokens.js'
import { GRANTS_CLAIM } from '../src/config/claim-path.js'
import { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyRequest {
    sluiceJwtVerify(): Promise<object>
    sluicePreviousJwtVerify(): Promise<object>
    sluiceClaims: object | null
  }
  interface FastifyInstance {
    /** The principal that the token in `request.credentials` proves. @throws {Problem} 401; 503 while the keys cannot be fetched. */
    verifyToken(request: FastifyRequest): Principal | Promise<Principal>
    /** Signs a token for `principal` that is valid for `lifetimeSeconds`. Throws unless the key is a secret. */
    signToken(principal: SignedPrincipal, lifetimeSeconds: number): string
  }
}

declare module '@fastify/jwt' {
  interface JWT {
    sluice: { sign(claims: object, options: { algorithm: 'HS256'; expiresIn: number }): string }
  }
}

export interface TokensOptions {
  readonly keys: Keys
  /** The key that is being replaced. */
  readonly previous?: Key | undefined
  readonly claims: ClaimRules
}

/** Tokens that @fastify/jwt remembers beside a key set, each at most until it expires. */
const REMEMBERED_TOKENS = 1_000
const WRONG_ALGORITHM = 'FAST_JWT_INVALID_ALGORITHM'
/** Errors of a token that another key may have signed. */
const OF_ANOTHER_KEY: ReadonlySet<unknown> = new Set(['FST_JWT_AUTHORIZATION_TOKEN_INVALID', WRONG_ALGORITHM])

export default fp<TokensOptions>(
  async (app, { keys, previous, claims }) => {
    // An object for this instance alone, because @fastify/jwt would add its namespace to the host's.
    app.decorate('jwt', Object.create(null))
    app.decorateRequest('sluiceClaims', null)
    // Each token is cached once: in VerifiedTokens, or here while the issuer of a key set may withdraw keys.
    const remembered = keys.kind === 'set' && REMEMBERED_TOKENS
    await app.register(jwt, verification('sluice', keys, remembered))
    if (previous) await app.register(jwt, verification('sluicePrevious', previous, remembered))
    const claimsIn = claimsVerifiedBy(keys, previous)

    const verified = keys.kind === 'set' ? undefined : new VerifiedTokens()
    const verify = async (request: FastifyRequest, token: string): Promise<Principal> => {
      const principal = principalOf(await claimsIn(request), claims)
      verified?.add(token, principal)
      return principal
    }
    app.decorate('verifyToken', request => {
      const token = request.credentials?.text ?? ''
      return verified?.find(token) ?? verify(request, token)
    })

    app.decorate('signToken', ({ id, workspace, role, grants }, lifetimeSeconds) => {
      if (grants !== undefined && !readGrants(grants)) throw new TypeError(`grants must be ${GRANTS_RULE}.`)
      if (keys.kind !== 'secret') throw new Error('A public key cannot sign tokens.')
      const { workspaceClaim, roleClaim, roles, issuer, audience } = claims
      const name = nameOfRole(role, roles)
      if (name === undefined) throw new Error(`The role map leaves no name for the role ${role}. Add one.`)
      const limits = grants && { [GRANTS_CLAIM]: grants }
      const named = withClaim({ sub: id, iss: issuer, aud: audience, ...limits }, workspaceClaim, workspace)
      return app.jwt.sluice.sign(withClaim(named, roleClaim, name), {
        algorithm: 'HS256',
        expiresIn: lifetimeSeconds,
      })
    })
  },
  { name: 'tokens', dependencies: ['request-caller'] },
)

function verification(namespace: string, keys: Keys, cache: number | false): FastifyJWTOptions {
  return {
    ...verificationKey(keys),
    namespace,
    decoratorName: 'sluiceClaims',
    verify: {
      algorithms: [...keys.algorithms],
      clockTolerance: CLOCK_TOLERANCE_MS,
      cache,
      extractToken: request => request.credentials?.text,
    },
  }
}

function verificationKey(keys: Keys): Pick<FastifyJWTOptions, 'secret' | 'decode'> {
  if (keys.kind === 'secret') return { secret: keys.secret }
  if (keys.kind === 'public') return { secret: { public: keys.pem } }
  const set = createKeySet(keys.url)
  const find = (_: FastifyRequest, token: TokenOrHeader) => set.find('header' in token ? token.header : token)
  return { secret: { public: find }, decode: { complete: true } }
}

/** The claims of a token that one of the keys has signed. @throws {Problem} 401, or 503 when the keys cannot be fetched. */
function claimsVerifiedBy(
  keys: Keys,
  previous: Key | undefined,
): (request: FastifyRequest) => Promise<object> {
  const algorithms = [...new Set([...keys.algorithms, ...(previous?.algorithms ?? [])])]
  const verify = previous ? byEither(keys) : (request: FastifyRequest) => request.sluiceJwtVerify()
  return async request => {
    try {
      const claims = await verify(request)
      // Checked after the signature, which refuses every forged token at less cost.
      requireTokenForm(request.credentials?.text ?? '')
      return claims
    } catch (error) {
      if (error instanceof Problem) throw error
      // @fastify/jwt itself answers some bad tokens with 500.
      throw tokenRefusal(codeOf(error), algorithms)
    }
  }
}

function byEither(keys: Keys): (request: FastifyRequest) => Promise<object> {
  const current = (request: FastifyRequest) => request.sluiceJwtVerify()
  const previous = (request: FastifyRequest) => request.sluicePreviousJwtVerify()
  // A key set comes last: for a key that it does not have, it may have to wait for the issuer.
  const [first, second] = keys.kind === 'set' ? [previous, current] : [current, previous]
  return async request => {
    try {
      return await first(request)
    } catch (error) {
      if (!OF_ANOTHER_KEY.has(codeOf(error))) throw error
      return await second(request).catch((other: unknown) => {
        throw codeOf(other) === WRONG_ALGORITHM ? error : other
      })
    }
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
