/**
 * Verifies the JWTs of callers, and signs JWTs if the key is a secret. @fastify/jwt runs under a name of its own, so a host
 * that uses it for its own tokens keeps `app.jwt`, `request.jwtVerify` and `request.user` as they are.
 */
import jwt, { type FastifyJWTOptions, type TokenOrHeader } from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Principal } from '../src/auth/principal.js'
import { tokenRefusal } from '../src/auth/refusals.js'
import { nameOfRole } from '../src/auth/role-names.js'
import { withClaim } from '../src/auth/tokens/claims.js'
import { createKeySet } from '../src/auth/tokens/key-set.js'
import type { Keys } from '../src/auth/tokens/keys.js'
import { CLOCK_TOLERANCE_MS, type ClaimRules, principalOf } from '../src/auth/tokens/token.js'
import { requireTokenForm } from '../src/auth/tokens/token-form.js'
import { VerifiedTokens } from '../src/auth/tokens/verified-tokens.js'
import { Problem } from '../src/problems/problem.js'

declare module 'fastify' {
  interface FastifyRequest {
    sluiceJwtVerify(): Promise<object>
    sluiceClaims: object | null
  }
  interface FastifyInstance {
    /** The principal that the token in `request.credentials` proves. @throws {Problem} 401; 503 while the keys cannot be fetched. */
    verifyToken(request: FastifyRequest): Principal | Promise<Principal>
    /** Signs a token for `principal` that is valid for `lifetimeSeconds`. Throws unless the key is a secret. */
    signToken(principal: Pick<Principal, 'id' | 'workspace' | 'role'>, lifetimeSeconds: number): string
  }
}

declare module '@fastify/jwt' {
  interface JWT {
    sluice: { sign(claims: object, options: { algorithm: 'HS256'; expiresIn: number }): string }
  }
}

export interface TokensOptions {
  readonly keys: Keys
  readonly claims: ClaimRules
}

const NAMESPACE = 'sluice'
/** Verified tokens that @fastify/jwt remembers, each at most until it expires. */
const REMEMBERED_TOKENS = 1_000

export default fp<TokensOptions>(
  async (app, { keys, claims }) => {
    // An object for this instance alone, because @fastify/jwt would add its namespace to the host's.
    app.decorate('jwt', Object.create(null))
    app.decorateRequest('sluiceClaims', null)
    await app.register(jwt, {
      ...verificationKey(keys),
      namespace: NAMESPACE,
      decoratorName: 'sluiceClaims',
      verify: {
        algorithms: [...keys.algorithms],
        clockTolerance: CLOCK_TOLERANCE_MS,
        cache: REMEMBERED_TOKENS,
        extractToken: request => request.credentials?.text,
      },
    })

    const verified = keys.kind === 'set' ? undefined : new VerifiedTokens()
    const verify = async (request: FastifyRequest, token: string): Promise<Principal> => {
      const principal = principalOf(await verifiedClaims(request, keys), claims)
      verified?.add(token, principal)
      return principal
    }
    app.decorate('verifyToken', request => {
      const token = request.credentials?.text ?? ''
      return verified?.find(token) ?? verify(request, token)
    })

    app.decorate('signToken', ({ id, workspace, role }, lifetimeSeconds) => {
      if (keys.kind !== 'secret') throw new Error('A public key cannot sign tokens.')
      const { workspaceClaim, roleClaim, roles, issuer, audience } = claims
      const name = nameOfRole(role, roles)
      if (name === undefined) throw new Error(`The role map leaves no name for the role ${role}. Add one.`)
      const named = withClaim({ sub: id, iss: issuer, aud: audience }, workspaceClaim, workspace)
      return app.jwt.sluice.sign(withClaim(named, roleClaim, name), {
        algorithm: 'HS256',
        expiresIn: lifetimeSeconds,
      })
    })
  },
  { name: 'tokens', dependencies: ['request-caller'] },
)

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
    const claims = await request.sluiceJwtVerify()
    // Checked after the signature, which refuses every forged token at less cost.
    requireTokenForm(request.credentials?.text ?? '')
    return claims
  } catch (error) {
    if (error instanceof Problem) throw error
    throw tokenRefusal(error instanceof Error && 'code' in error ? error.code : undefined, keys.algorithms)
  }
}
