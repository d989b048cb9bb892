/** The principal of a token that the gateway signs itself. */
import type { GrantsDocument } from './grants/grants.js'
import type { Principal } from './principal.js'

export type SignedPrincipal = Pick<Principal, 'id' | 'workspace' | 'role'> & {
  /** Default: all that the role allows. */
  readonly grants?: GrantsDocument | undefined
}
