/**
 * From the claims of a token to a Principal. Nothing here verifies a signature: claims come in verified, and leave as
 * a Principal or as a Problem, never as anything else.
 */
import { WORKSPACE_PATTERN } from '../../log/event.js'
import { type Principal, ROLES, type Role } from '../principal.js'
import { tokenInvalid } from '../refusals.js'

/** How far the clocks of issuer and gateway may differ: so long after its `exp` a token still opens a request, never a stream. */
export const CLOCK_TOLERANCE_MS = 5_000

const WORKSPACE = new RegExp(WORKSPACE_PATTERN)
/** No control characters and no halves of characters: it goes to logs, keys and the database. */
const SUBJECT = /^[^\p{Cc}\p{Cs}]{1,256}$/u

/** What a token must say, besides `exp` and `sub`. */
export interface ClaimRules {
  /** Name of the claim that holds the workspace. */
  readonly workspaceClaim: string
  /** Name of the claim that holds the role. */
  readonly roleClaim: string
  /** The `iss` that is required; without it any issuer who holds the key will do. */
  readonly issuer?: string | undefined
  /** What `aud` must name; without it `aud` is not looked at. */
  readonly audience?: string | undefined
}

/** @throws {Problem} 401 `token-invalid`, which names the claim. */
export function principalOf(claims: object, rules: ClaimRules): Principal {
  const claim = (name: string): unknown => Reflect.get(claims, name)
  const id = claim('sub')
  const exp = claim('exp')
  const workspace = claim(rules.workspaceClaim)
  const role = claim(rules.roleClaim)
  const issuedAt = claim('iat')
  const tokenId = claim('jti')

  // Whole seconds, as every issuer writes them: 1e300 or "never" must not pass for a time.
  if (typeof exp !== 'number' || !Number.isSafeInteger(exp)) {
    throw tokenInvalid('`exp` must be there, in whole seconds since 1970')
  }
  if (typeof id !== 'string' || !SUBJECT.test(id)) {
    throw tokenInvalid('`sub` must be there, with 1 to 256 characters, none of them a control character')
  }
  if (rules.issuer !== undefined && claim('iss') !== rules.issuer) {
    throw tokenInvalid('`iss` is not the issuer that is asked for here')
  }
  if (rules.audience !== undefined && ![claim('aud')].flat().includes(rules.audience)) {
    throw tokenInvalid('`aud` does not name this gateway')
  }
  if (typeof workspace !== 'string' || !WORKSPACE.test(workspace)) {
    throw tokenInvalid(`\`${rules.workspaceClaim}\` must be there: 1 to 128 letters, digits and . _ : @ -`)
  }
  if (!isRole(role)) throw tokenInvalid(`\`${rules.roleClaim}\` must be one of ${ROLES.join(', ')}`)
  // It would outlast every revocation until then: that goes by what was issued before it.
  if (typeof issuedAt === 'number' && issuedAt * 1000 > Date.now() + CLOCK_TOLERANCE_MS) {
    throw tokenInvalid('its time of issue (`iat`) has not come yet')
  }
  return {
    id,
    workspace,
    role,
    expiresAt: exp * 1000,
    issuedAt: typeof issuedAt === 'number' && Number.isFinite(issuedAt) ? issuedAt * 1000 : 0,
    credential: { kind: 'token', id: typeof tokenId === 'string' ? tokenId : undefined },
  }
}

function isRole(value: unknown): value is Role {
  return ROLES.some(role => role === value)
}
