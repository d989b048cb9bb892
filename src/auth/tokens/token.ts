/** Turns the claims of a verified token into a Principal, or refuses them with a Problem. */
import { type ClaimPath, GRANTS_CLAIM } from '../../config/claim-path.js'
import { WORKSPACE_PATTERN } from '../../log/event.js'
import { GRANTS_RULE, type Grants, readGrants } from '../grants/grants.js'
import { type Principal, ROLES } from '../principal.js'
import { tokenInvalid } from '../refusals.js'
import { type RoleNames, roleNamed } from '../role-names.js'
import { claimAt, shownPath } from './claims.js'

/** Tolerated clock difference. A token is accepted this long after its `exp`, by requests but not by streams. */
export const CLOCK_TOLERANCE_MS = 5_000

const WORKSPACE = new RegExp(WORKSPACE_PATTERN)
/** No control characters and no lone surrogates: the subject goes to logs, keys and the database. */
const SUBJECT = /^[^\p{Cc}\p{Cs}]{1,256}$/u

/** The claims that a token needs besides `exp` and `sub`. */
export interface ClaimRules {
  /** The claim that holds the workspace. */
  readonly workspaceClaim: ClaimPath
  /** The claim that holds the role, or an array of roles. */
  readonly roleClaim: ClaimPath
  readonly roles: RoleNames
  /** Required `iss`; undefined accepts every issuer that has the key. */
  readonly issuer?: string | undefined
  /** Value that `aud` must contain; undefined does not check `aud`. */
  readonly audience?: string | undefined
}

/** @throws {Problem} 401 `token-invalid`, with the name of the claim. */
export function principalOf(claims: object, rules: ClaimRules): Principal {
  const claim = (name: string): unknown => claimAt(claims, [name])
  const id = claim('sub')
  const exp = claim('exp')
  const workspace = claimAt(claims, rules.workspaceClaim)
  const role = roleNamed(claimAt(claims, rules.roleClaim), rules.roles)
  const issuedAt = claim('iat')
  const tokenId = claim('jti')
  const grants = grantsIn(claim(GRANTS_CLAIM))

  // Whole seconds, as issuers write them: 1e300 or "never" is not a time.
  if (typeof exp !== 'number' || !Number.isSafeInteger(exp)) {
    throw tokenInvalid('`exp` is required, in whole seconds since 1970')
  }
  if (typeof id !== 'string' || !SUBJECT.test(id)) {
    throw tokenInvalid('`sub` is required, with 1 to 256 characters and no control characters')
  }
  if (rules.issuer !== undefined && claim('iss') !== rules.issuer) {
    throw tokenInvalid('`iss` is not the required issuer')
  }
  if (rules.audience !== undefined && ![claim('aud')].flat().includes(rules.audience)) {
    throw tokenInvalid('`aud` does not name this gateway')
  }
  if (typeof workspace !== 'string' || !WORKSPACE.test(workspace)) {
    throw tokenInvalid(
      `${shownPath(rules.workspaceClaim)} is required: 1 to 128 letters, digits and . _ : @ -`,
    )
  }
  if (role === undefined) {
    const mapped = rules.roles.map.size > 0 ? ', or a name in the role map of this gateway' : ''
    throw tokenInvalid(`${shownPath(rules.roleClaim)} must be one of ${ROLES.join(', ')}${mapped}`)
  }
  // Revocations concern tokens issued before them, so a token from the future would outlast them.
  if (typeof issuedAt === 'number' && issuedAt * 1000 > Date.now() + CLOCK_TOLERANCE_MS) {
    throw tokenInvalid('its time of issue (`iat`) is in the future')
  }
  return {
    id,
    workspace,
    role,
    grants,
    expiresAt: exp * 1000,
    issuedAt: typeof issuedAt === 'number' && Number.isFinite(issuedAt) ? issuedAt * 1000 : 0,
    credential: { kind: 'token', id: typeof tokenId === 'string' ? tokenId : undefined },
  }
}

/** A token without the claim has all that its role allows; a malformed claim, or null, could mean anything else. */
function grantsIn(claim: unknown): Grants | undefined {
  if (claim === undefined) return undefined
  const grants = readGrants(claim)
  if (grants === undefined) throw tokenInvalid(`\`${GRANTS_CLAIM}\` must be ${GRANTS_RULE}`)
  return grants
}
