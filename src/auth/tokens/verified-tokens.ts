/**
 * Whom tokens prove that have been verified, so that who calls often is decoded, verified and read once. Only what cannot
 * change is remembered: not beyond the `exp` of a token, and not whether it has been revoked (src/auth/revocations/guard.ts), which is
 * asked each time. So only for keys that stay: those of a JWKS may be withdrawn.
 */
import { LRUCache } from 'lru-cache'
import type { Principal } from '../principal.js'

/** A token takes 16 KiB at most. */
const REMEMBERED = 1_000

export class VerifiedTokens {
  readonly #principals = new LRUCache<string, Principal>({ max: REMEMBERED })

  /** @returns undefined for a token that is not remembered, or has ended. */
  find(token: string): Principal | undefined {
    const principal = this.#principals.get(token)
    return principal && Date.now() < principal.expiresAt ? principal : undefined
  }

  add(token: string, principal: Principal): void {
    this.#principals.set(token, principal)
  }
}
