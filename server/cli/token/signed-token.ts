/** A token as the gateway verifies it: RFC 7519 with the claims where the configuration reads them, signed as RFC 7518 says. */
import { createHmac, randomUUID, sign } from 'node:crypto'
import type { GrantsDocument } from '../../../src/auth/grants/grants.js'
import type { Role } from '../../../src/auth/principal.js'
import { nameOfRole } from '../../../src/auth/role-names.js'
import { claimRules } from '../../../src/auth/tokens/claim-rules.js'
import { withClaim } from '../../../src/auth/tokens/claims.js'
import { principalOf } from '../../../src/auth/tokens/token.js'
import { GRANTS_CLAIM } from '../../../src/config/claim-path.js'
import type { Config } from '../../../src/config/config.js'
import { Problem } from '../../../src/problems/problem.js'
import { UsageError } from '../../../src/process/usage.js'
import { ExitCode, Failure } from '../exit-code.js'
import type { SigningKey } from './signing-key.js'

export interface TokenContent {
  readonly id: string
  readonly workspace: string
  readonly role: Role
  readonly grants?: GrantsDocument | undefined
  /** In seconds since 1970. */
  readonly expiresAt: number
  /** Further claims. */
  readonly claims: Readonly<Record<string, unknown>>
}

/** @throws {UsageError} if a further claim is one that the token has anyway. @throws {Failure} if the gateway would refuse it. */
export function signedToken({ key, algorithm }: SigningKey, content: TokenContent, config: Config): string {
  const claims = claimsOf(content, config)
  const input = [{ alg: algorithm, typ: 'JWT' }, claims]
    .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature =
    typeof key === 'string'
      ? createHmac('sha256', key).update(input).digest()
      : // Ed25519 hashes by itself; signatures of EC keys have the form of RFC 7518, 3.4.
        sign(algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`, Buffer.from(input), {
          key,
          dsaEncoding: 'ieee-p1363',
        })
  return `${input}.${signature.toString('base64url')}`
}

function claimsOf({ id, workspace, role, grants, expiresAt, claims }: TokenContent, config: Config): object {
  const rules = claimRules(config)
  const name = nameOfRole(role, rules.roles)
  if (name === undefined) {
    throw new Failure(
      `JWT_ROLE_MAP leaves no name for the role ${role}. Add one, or choose another role.`,
      ExitCode.usage,
    )
  }
  const registered = {
    sub: id,
    iat: Math.floor(Date.now() / 1_000),
    exp: expiresAt,
    // By it this one token can be revoked.
    jti: randomUUID(),
    ...(config.JWT_ISSUER !== undefined && { iss: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE !== undefined && { aud: config.JWT_AUDIENCE }),
    ...(grants && { [GRANTS_CLAIM]: grants }),
  }
  const own = withClaim(withClaim(registered, rules.workspaceClaim, workspace), rules.roleClaim, name)
  const twice = Object.keys(claims).find(claim => Object.hasOwn(own, claim) || claim === GRANTS_CLAIM)
  if (twice !== undefined)
    throw new UsageError(`--claim must not set ${twice}: another option or variable does.`)
  const all = { ...own, ...claims }
  try {
    principalOf(all, rules)
  } catch (error) {
    if (error instanceof Problem)
      throw new Failure(
        `A gateway of this configuration would refuse the token. ${error.detail}`,
        ExitCode.usage,
      )
    throw error
  }
  return all
}
