/** The rules for the claims of a token, as the configuration sets them. */
import { claimPath } from '../../config/claim-path.js'
import type { Config } from '../../config/config.js'
import { roleNames } from '../role-names.js'
import type { ClaimRules } from './token.js'

export function claimRules(config: Config): ClaimRules {
  return {
    workspaceClaim: claimPath(config.JWT_WORKSPACE_CLAIM),
    roleClaim: claimPath(config.JWT_ROLE_CLAIM),
    roles: roleNames(config),
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
  }
}
