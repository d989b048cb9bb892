/**
 * Caches the principals of verified tokens, so that a token is decoded and verified once. The cache holds only facts that
 * cannot change: an entry ends at the token's `exp`, and revocations are checked every time (revocations/guard.ts). It serves
 * configured keys only, because the issuer of a JWKS may withdraw a key.
 */
import { LRUCache } from 'lru-cache'
import type { Principal } from '../principal.js'

/** A token has 16 KiB at most. */
const REMEMBERED = 1_000

export class VerifiedTokens {
  readonly #principals = new LRUCache<string, Principal>({ max: REMEMBERED })

  /** @returns undefined for a token that is not cached or has expired. */
  find(token: string): Principal | undefined {
    const principal = this.#principals.get(token)
    return principal && Date.now() < principal.expiresAt ? principal : undefined
  }

  add(token: string, principal: Principal): void {
    this.#principals.set(token, principal)
  }
}
