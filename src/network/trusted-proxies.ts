/**
 * The proxies whose `X-Forwarded-For` is trusted. A caller must never be able to choose its own address: it would
 * bypass the limits per address and the address rules of API keys. So a list that contains everybody, or almost
 * everybody, is refused.
 */
import { parseRange } from './address-range.js'

/** Names that stand for the ranges of one machine and of private networks (proxy-addr). */
const NAMED: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal'])
/** The prefixes of the largest private networks: 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193). */
const SHORTEST_PREFIX = { 4: 8, 16: 7 } as const

/** @param text addresses, CIDR ranges and names, separated by commas. */
export function parseProxies(text: string): string[] {
  return text
    .split(',')
    .map(proxy => proxy.trim())
    .filter(proxy => proxy !== '')
}

/** The faults of the list, as lines of a ConfigError. */
export function proxyFaults(text: string): string[] {
  return parseProxies(text).flatMap(proxy => {
    if (NAMED.has(proxy)) return []
    const shown = JSON.stringify(proxy)
    if (proxy === 'true' || proxy === '*') return [believesEverybody(shown)]
    const range = parseRange(proxy)
    if (!range) {
      return [
        `TRUSTED_PROXIES: ${shown} is no address and no CIDR range without bits after its prefix. Write 10.0.0.2 or 10.0.0.0/24.`,
      ]
    }
    return range.prefix < SHORTEST_PREFIX[range.bytes.length === 4 ? 4 : 16] ? [believesEverybody(shown)] : []
  })
}

function believesEverybody(shown: string): string {
  return (
    `TRUSTED_PROXIES: ${shown} believes everybody's X-Forwarded-For, so any caller could choose its address, and with it ` +
    'pass the allowed_ips of API keys and the limits for addresses. Name the addresses of your proxies.'
  )
}
