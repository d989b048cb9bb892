/** API keys as a table for a terminal, one line per key. */
import type { ApiKey } from '../../src/auth/api-keys/api-key.js'
import { table } from './table.js'

const HEAD = ['ID', 'NAME', 'ROLE', 'STATE', 'ENDS', 'FROM', 'LAST USED', 'CREATED', 'IMPORTED']

/** @param now in milliseconds since 1970. */
export function keyTable(keys: readonly ApiKey[], now: number): string {
  return table(
    HEAD,
    keys.map(key => cellsOf(key, now)),
  )
}

function cellsOf(key: ApiKey, now: number): string[] {
  const { id, prefix, name, role, expires_at, allowed_ips, last_used_at, created_at } = key
  const from = allowed_ips === null ? 'anywhere' : allowed_ips.join(',')
  const used = last_used_at === null ? 'never' : minuteOf(last_used_at)
  const ends = expires_at === null ? 'never' : minuteOf(expires_at)
  return [
    id,
    name,
    role,
    stateOf(key, now),
    ends,
    from,
    used,
    minuteOf(created_at),
    prefix === null ? '' : `${prefix}…`,
  ]
}

function stateOf({ revoked_at, expires_at, replaced_by }: ApiKey, now: number): string {
  if (revoked_at !== null) return 'revoked'
  if (expires_at !== null && Date.parse(expires_at) <= now) return 'ended'
  return replaced_by === null ? 'active' : 'replaced'
}

/** `2026-11-21 09:14Z` */
function minuteOf(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')}Z`
}
