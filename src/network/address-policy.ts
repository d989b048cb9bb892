/**
 * Whether an address is one that everybody on the internet may reach. A request that a caller directs at an inner address (server-side
 * request forgery) would reach what only this machine or its network can: databases, the metadata service of a cloud with its
 * credentials. So what is not plainly public is refused, unless the operator has allowed its network.
 */
import ipaddr from 'ipaddr.js'
import { isWithin, parseRange } from './address-range.js'
import type { NetworkPolicy } from './network-policy.js'

/** `public` for an address that everybody may reach; `allowed` in a network of the operator's list; else why it is refused. */
export type AddressVerdict = 'public' | 'allowed' | { readonly refused: string }

/** No list allows these: no receiver has them. Those of metadata services: Amazon, Google, Azure and most others; Alibaba; Oracle. */
const NEVER = ranges(
  'the metadata service of a cloud',
  '169.254.169.254 169.254.170.2 169.254.170.23 169.254.169.253 169.254.169.123 169.254.42.42 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42',
)
  .concat(ranges('an unspecified address', '0.0.0.0/8 ::'))
  .concat(ranges('a multicast address', '224.0.0.0/4 ff00::/8'))
  .concat(ranges('a broadcast address', '255.255.255.255'))

/** Ranges that ipaddr.js does not name by itself. */
const MORE = ranges('for benchmarks', '198.18.0.0/15').concat(
  ranges('for documentation', '192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20'),
)

const NAMES: Readonly<Record<string, string>> = {
  loopback: 'a loopback address',
  private: 'a private address',
  linkLocal: 'a link-local address',
  carrierGradeNat: 'an address behind a carrier (RFC 6598)',
  uniqueLocal: 'a unique local address',
  deprecatedSiteLocal: 'a site-local address',
  '6to4': 'a 6to4 address',
  teredo: 'a Teredo address',
  rfc6052: 'a NAT64 address of a local prefix',
  benchmarking: 'for benchmarks',
}

/** The only block of IPv6 from which public addresses are given (RFC 4291 §2.4). */
const GLOBAL_UNICAST = ranges('', '2000::/3').map(({ range }) => range)
/** The well-known prefix by which a network with IPv6 only reaches IPv4 (RFC 6052 §2.1). */
const NAT64 = ranges('', '64:ff9b::/96').map(({ range }) => range)

/** @param address IPv4 or IPv6 as the system writes it. Anything else is refused. */
export function judgeAddress(address: string, { allowed }: Pick<NetworkPolicy, 'allowed'>): AddressVerdict {
  const plain = address.split('%', 1)[0] ?? ''
  if (!ipaddr.isValid(plain)) return { refused: 'no IP address' }
  const inner = innerIPv4(plain)
  const never = NEVER.find(({ range }) => isWithin(inner ?? plain, [range]))
  if (never) return { refused: never.name }
  if (isWithin(inner ?? plain, allowed)) return 'allowed'
  if (inner !== undefined) return judgePublic(inner)
  return judgePublic(plain)
}

function judgePublic(address: string): AddressVerdict {
  const more = MORE.find(({ range }) => isWithin(address, [range]))
  if (more) return { refused: more.name }
  const parsed = ipaddr.parse(address)
  const kind = parsed.range()
  if (kind !== 'unicast') return { refused: NAMES[kind] ?? 'a reserved address' }
  if (parsed.kind() === 'ipv6' && !isWithin(address, GLOBAL_UNICAST)) return { refused: 'a reserved address' }
  return 'public'
}

/** The IPv4 address that this IPv6 address leads to, by the socket itself (RFC 4291 §2.5.5.2) or by the network's NAT64. */
function innerIPv4(address: string): string | undefined {
  const parsed = ipaddr.parse(address)
  if (!(parsed instanceof ipaddr.IPv6)) return undefined
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString()
  return isWithin(address, NAT64)
    ? ipaddr.fromByteArray(parsed.toByteArray().slice(12)).toString()
    : undefined
}

function ranges(name: string, list: string) {
  return list.split(' ').flatMap(text => {
    const range = parseRange(text)
    return range ? [{ name, range }] : []
  })
}
