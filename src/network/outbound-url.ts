/**
 * A URL that a caller gives us to send requests to. It is parsed by the URL standard, by which the request is made too, so both see
 * the same host: `0x7f.1`, `2130706433` and `①②⑦.0.0.1` are 127.0.0.1. What a reader could take for something else is refused, not
 * cleaned.
 */
import { isIP } from 'node:net'
import { judgeAddress } from './address-policy.js'
import { BLOCKED_PORTS } from './blocked-ports.js'
import type { NetworkPolicy } from './network-policy.js'

export const MAX_URL_LENGTH = 2_048

/** Control characters and spaces, which the parser drops silently, and the backslash, which it reads as a slash. */
const MISLEADING = /[\p{Cc}\p{Cf}\p{Z}\\]/u
const SCHEME = /^https?:\/\/[^/]/i
/** A host name (RFC 1123 §2.1), also with underscores, as containers have. International names are written in ASCII by now. */
const NAME = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/
const MAX_NAME_LENGTH = 253
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

export type OutboundUrl =
  | { readonly url: URL }
  /** The fault and the remedy, in a sentence or two about "the URL". */
  | { readonly fault: string }

/** Checks all that can be known without a name server: the addresses of a host name are checked when a connection is made. */
export function parseOutboundUrl(text: string, policy: NetworkPolicy): OutboundUrl {
  if (text.length > MAX_URL_LENGTH) {
    return { fault: `The URL has ${text.length} characters; the limit is ${MAX_URL_LENGTH}. Shorten it.` }
  }
  if (MISLEADING.test(text)) {
    return {
      fault: 'The URL contains a space, a control character or a backslash. Remove or percent-encode it.',
    }
  }
  if (!SCHEME.test(text) || !URL.canParse(text)) {
    return { fault: 'This is no URL of the form https://host/path. Correct it.' }
  }
  const url = new URL(text)
  const fault = faultOf(url, text) ?? hostFault(url, policy)
  return fault === undefined ? { url } : { fault }
}

/** The address of a URL whose host is written as an IP address. */
export function literalAddress({ hostname }: Pick<URL, 'hostname'>): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return isIP(bare) > 0 ? bare : undefined
}

function faultOf({ href, username, password, protocol, port }: URL, text: string): string | undefined {
  if (href.length > MAX_URL_LENGTH) {
    return `The URL has ${href.length} characters when it is encoded; the limit is ${MAX_URL_LENGTH}. Shorten it.`
  }
  if (username !== '' || password !== '' || /^[^/]+\/\/[^/?#]*@/.test(text)) {
    return 'The URL contains a user name or a password. Send it in a header.'
  }
  if (text.includes('#')) return 'The URL has a fragment, which no request carries. Remove it.'
  if (BLOCKED_PORTS.has(Number(port || DEFAULT_PORTS[protocol]))) {
    return `The port ${port} belongs to another protocol. Use another port.`
  }
  return undefined
}

function hostFault(url: URL, policy: NetworkPolicy): string | undefined {
  if (url.hostname.endsWith('.')) return 'The host name ends with a dot. Remove the dot.'
  const address = literalAddress(url)
  if (address !== undefined) return addressFault(address, url.protocol, policy)
  if (!NAME.test(url.hostname) || url.hostname.length > MAX_NAME_LENGTH) {
    return 'The host is no name that a name server knows. Use letters, digits, hyphens and dots.'
  }
  if (url.protocol === 'http:' && policy.httpsOnly && policy.allowed.length === 0) return HTTPS
  return undefined
}

const HTTPS =
  'The URL does not use https. Use https, or add the network of its host to WEBHOOK_ALLOWED_NETWORKS.'

/** Why no request may go to this address, as a sentence about the host; undefined if it may. */
export function addressFault(address: string, protocol: string, policy: NetworkPolicy): string | undefined {
  const verdict = judgeAddress(address, policy)
  if (verdict === 'allowed') return undefined
  if (verdict !== 'public') {
    return `The host is not public: it is ${verdict.refused}. Use a public host, or add its network to WEBHOOK_ALLOWED_NETWORKS.`
  }
  return protocol === 'http:' && policy.httpsOnly ? HTTPS : undefined
}
