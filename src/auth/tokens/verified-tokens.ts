/**
 * Caches the principals of verified tokens, so that a token is decoded and verified once. The cache holds only facts that
 * cannot change: an entry ends at the token's `exp`, and revocations are checked every time (revocations/guard.ts). It serves
 * configured keys only, because the issuer of a JWKS may withdraw a key.
 */
import { LRUCache } from 'lru-cache'
import { flatText } from '../../bytes/flat-text.js'
import type { Principal } from '../principal.js'

/** In characters of tokens: about ten thousand usual ones. A token has 16 KiB at most. */
const REMEMBERED = 8 * 1024 * 1024
/** Of a principal, in the same measure; its grants take about eight times their text. */
const PRINCIPAL = 512
const GRANTS_FACTOR = 8

export class VerifiedTokens {
  readonly #principals = new LRUCache<string, Principal>({
    maxSize: REMEMBERED,
    sizeCalculation: ({ grants }, token) =>
      token.length + PRINCIPAL + GRANTS_FACTOR * (grants?.key.length ?? 0),
  })

  /** @returns undefined for a token that is not cached or has expired. */
  find(token: string): Principal | undefined {
    const principal = this.#principals.get(token)
    return principal && Date.now() < principal.expiresAt ? principal : undefined
  }

  add(token: string, principal: Principal): void {
    // As V8 keeps it, a token that was cut out of a header or a URL holds all of that.
    this.#principals.set(flatText(token), principal)
  }
}
