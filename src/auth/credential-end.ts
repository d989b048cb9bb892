/** When credentials end, and the refusal after that. */
import type { Problem } from '../problems/problem.js'
import type { Principal } from './principal.js'
import { keyExpired, tokenExpired } from './refusals.js'
import { CLOCK_TOLERANCE_MS } from './tokens/token.js'

type Ending = Pick<Principal, 'expiresAt' | 'credential'>

/** When a request that begins now must end, in ms since 1970. A token used after its `exp` keeps its clock tolerance. */
export function endFor(principal: Ending, now: number): number {
  return principal.expiresAt > now ? principal.expiresAt : lastRequestAt(principal)
}

/** @throws {Problem} 401 if the credentials ended while the body of the request arrived. */
export function assertNotExpired(principal: Ending, now: number): void {
  if (now >= lastRequestAt(principal)) throw expired(principal)
}

/** The end of credentials as an ISO date; null if they never end, or later than any date. */
export function endAsText({ expiresAt }: Pick<Principal, 'expiresAt'>): string | null {
  const end = new Date(expiresAt)
  return Number.isNaN(end.getTime()) ? null : end.toISOString()
}

export function expired({ credential }: Pick<Principal, 'credential'>): Problem {
  return credential.kind === 'key' ? keyExpired() : tokenExpired()
}

function lastRequestAt({ expiresAt, credential }: Ending): number {
  return credential.kind === 'key' ? expiresAt : expiresAt + CLOCK_TOLERANCE_MS
}
