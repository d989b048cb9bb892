/**
 * The principal that the application around the gateway has authenticated, in place of a JWT or an API key. It is held to the
 * same limits as the claims of a token: a workspace that no token can name cannot be reached this way either.
 */
import { WORKSPACE_PATTERN } from '../log/event.js'
import { Problem } from '../problems/problem.js'
import { GRANTS_RULE, type GrantsDocument, readGrants } from './grants/grants.js'
import { type Principal, ROLES, type Role } from './principal.js'
import { tokenExpired } from './refusals.js'

export interface HostPrincipal {
  /** Names the caller within its workspace: 1 to 256 characters. Events, limits and revocations go by it. */
  readonly id: string
  /** Everything that the caller can reach belongs to it: 1 to 128 letters, digits and `._:@-`. */
  readonly workspace: string
  readonly role: Role
  /** Limits the caller to some streams and types, below its role (docs/access.md). Default: all that the role allows. */
  readonly grants?: GrantsDocument | undefined
  /** When the credentials end, as a Date or in ms since 1970. The caller's streams end then. `Infinity`: never. */
  readonly expiresAt: Date | number
  /**
   * When the credentials were issued. A revocation of the caller applies to the credentials issued before it. Without
   * `issuedAt` it applies to all of the caller's credentials, later ones too, until the revocation ends.
   */
  readonly issuedAt?: Date | number | undefined
  /** The id of the session or token, so that it can be revoked alone. */
  readonly credentialId?: string | undefined
}

const WORKSPACE = new RegExp(WORKSPACE_PATTERN)
const NAME = /^[^\p{Cc}\p{Cs}]{1,256}$/u

/**
 * @throws {Problem} 401 `not-authenticated` if the application knows no caller, 401 `token-expired` for credentials that have
 *   ended.
 * @throws {TypeError} if the application returned anything else: a fault in its code, which is answered with 500.
 */
export function principalFrom(given: HostPrincipal | null | undefined): Principal {
  if (given === null || given === undefined) throw notAuthenticated()
  const { id, workspace, role, credentialId } = given
  const grants = given.grants === undefined ? undefined : readGrants(given.grants)
  const expiresAt = Number(given.expiresAt)
  const issuedAt = Number(given.issuedAt ?? 0)
  requireThat(NAME.test(id), 'id must be 1 to 256 characters without control characters')
  requireThat(WORKSPACE.test(workspace), `workspace must match ${WORKSPACE_PATTERN}`)
  requireThat(ROLES.includes(role), `role must be one of ${ROLES.join(', ')}`)
  requireThat(given.grants === undefined || grants !== undefined, `grants must be ${GRANTS_RULE}`)
  requireThat(!Number.isNaN(expiresAt), 'expiresAt must be a Date, or a number of milliseconds since 1970')
  requireThat(Number.isFinite(issuedAt), 'issuedAt must be a Date, or a number of milliseconds since 1970')
  if (expiresAt <= Date.now()) throw tokenExpired()
  return { id, workspace, role, grants, expiresAt, issuedAt, credential: { kind: 'token', id: credentialId } }
}

/**
 * The principal that the application finds for a request.
 * @throws {Problem} as `principalFrom`, and 401 `not-authenticated` if the application throws an error whose `statusCode` is
 *   401 or 403. Any other error is passed on.
 */
export async function principalOfHost(
  authenticate: () => Promise<HostPrincipal | null | undefined>,
): Promise<Principal> {
  const given = await authenticate().catch((error: unknown) => {
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
    if (status === 401 || status === 403) return undefined
    throw error
  })
  return principalFrom(given)
}

function notAuthenticated(): Problem {
  return new Problem(401, 'not-authenticated', 'This needs an authenticated caller. Log in, then try again.')
}

function requireThat(holds: boolean, rule: string): void {
  if (!holds) throw new TypeError(`authenticate returned a principal that cannot be used: ${rule}.`)
}
