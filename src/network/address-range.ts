/**
 * Ranges of IP addresses in CIDR notation (RFC 4632, RFC 4291 §2.3). An IPv4 address in its IPv6 form
 * (`::ffff:10.0.0.1`), which a dual-stack socket reports, counts as the IPv4 address, in rules and for callers:
 * otherwise one form could bypass a rule for the other. So no IPv6 range contains an IPv4 address.
 */
import { isIPv4, isIPv6 } from 'node:net'

export interface AddressRange {
  /** The first address: 4 bytes, or 16. */
  readonly bytes: readonly number[]
  /** The number of leading bits that all addresses share, 0 to 32 or 128. */
  readonly prefix: number
}

const RANGE = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/
/** The prefix `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]

/**
 * @param text an address, which is a range of one, or `<address>/<prefix>`.
 * @returns undefined for anything else, and where bits after the prefix are set: `10.0.0.1/8` may mean two things.
 */
export function parseRange(text: string): AddressRange | undefined {
  const [, address = '', prefixText] = RANGE.exec(text) ?? []
  const written = literalBytes(address)
  if (!written) return undefined
  const writtenPrefix = prefixText === undefined ? written.length * 8 : Number(prefixText)
  if (writtenPrefix > written.length * 8) return undefined
  const mapped = isMapped(written) && writtenPrefix >= MAPPED.length * 8
  const bytes = mapped ? written.slice(MAPPED.length) : written
  const prefix = mapped ? writtenPrefix - MAPPED.length * 8 : writtenPrefix
  return bytes.every((byte, at) => byte === (byte & maskOf(prefix, at))) ? { bytes, prefix } : undefined
}

/** As Postgres reads a `cidr`: an IPv4 address with its prefix, or IPv6 in eight groups. */
export function formatRange({ bytes, prefix }: AddressRange): string {
  const groups = bytes.flatMap((byte, at) =>
    at % 2 === 0 ? [((byte << 8) | (bytes[at + 1] ?? 0)).toString(16)] : [],
  )
  return `${bytes.length === 4 ? bytes.join('.') : groups.join(':')}/${prefix}`
}

/**
 * Whether one of the ranges contains the address. No range contains a text that is not an address, such as the peer
 * of a Unix socket.
 */
export function isWithin(address: string | undefined, ranges: readonly AddressRange[]): boolean {
  const found = bytesOf(address)
  if (!found) return false
  return ranges.some(
    ({ bytes, prefix }) =>
      bytes.length === found.length &&
      bytes.every((byte, at) => byte === ((found[at] ?? 0) & maskOf(prefix, at))),
  )
}

/**
 * The address of a client as a `cidr` with one address, for Postgres to look up in ranges; undefined if it is not an
 * address.
 */
export function cidrOf(address: string | undefined): string | undefined {
  const bytes = bytesOf(address)
  return bytes && formatRange({ bytes, prefix: bytes.length * 8 })
}

function bytesOf(address: string | undefined): number[] | undefined {
  const written = address === undefined ? undefined : literalBytes(address.split('%', 1)[0] ?? '')
  return written && isMapped(written) ? written.slice(MAPPED.length) : written
}

/** The bits of the byte at this place that belong to the prefix. */
function maskOf(prefix: number, at: number): number {
  const bits = Math.min(8, Math.max(0, prefix - at * 8))
  return (0xff00 >> bits) & 0xff
}

function isMapped(bytes: readonly number[]): boolean {
  return bytes.length === 16 && MAPPED.every((byte, at) => byte === bytes[at])
}

/** The bytes of an address as it is written, 4 or 16; undefined for any other text. */
export function literalBytes(address: string): number[] | undefined {
  if (isIPv4(address)) return address.split('.').map(Number)
  // Zones (`fe80::1%eth0`) have a meaning only on one machine, and no URL accepts them.
  if (!isIPv6(address) || address.includes('%')) return undefined
  // The URL standard's serialiser leaves hexadecimal groups and at most one `::`.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')]
  const gap = new Array<number>(8 - first.length - last.length).fill(0)
  return [...first, ...gap, ...last].flatMap(group => [group >> 8, group & 0xff])
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}
