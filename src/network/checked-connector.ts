/**
 * Opens connections of undici to checked addresses only. The host is looked up once for a connection, every address is checked, and
 * the connection goes to these very addresses: a name server that gives another answer a moment later (DNS rebinding) changes nothing.
 * The TLS server name stays the host. So every connection of a pool belongs to an address that was checked when it was opened.
 */
import type { LookupFunction } from 'node:net'
import type { buildConnector } from 'undici'
import type { HostAddresses } from './host-addresses.js'
import type { NetworkPolicy } from './network-policy.js'
import { addressFault, literalAddress } from './outbound-url.js'

/** Time for the next address of a host before the one before has been given up (RFC 8305 §5). */
const NEXT_ADDRESS_MS = 2_500

/** Why there is no connection. */
export class ConnectionFault extends Error {
  constructor(
    readonly kind: 'refused-address' | 'dns' | 'connect' | 'tls',
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause })
  }
}

export interface ConnectorOptions {
  /** undici's, which is loaded only by a process that sends. */
  readonly build: typeof buildConnector
  readonly policy: NetworkPolicy
  readonly addresses: HostAddresses
  /** For the look-up, the connection and TLS together, in milliseconds. */
  readonly timeoutMs: number
  /** Certificates of authorities to trust in place of the usual ones, in PEM. */
  readonly ca?: string
}

export interface CheckedConnector {
  /** Gives a `ConnectionFault` for a connection that could not be opened. */
  readonly connect: buildConnector.connector
  /** Connections that are open now. */
  readonly open: number
}

export function checkedConnector(options: ConnectorOptions): CheckedConnector {
  let open = 0
  const connectors = new Map(['http:', 'https:'].map(protocol => [protocol, connectorFor(protocol, options)]))
  const connect: buildConnector.connector = (target, callback) => {
    const { protocol, hostname } = target
    // No look-up is made for a host that is an address.
    const address = literalAddress({ hostname })
    const fault = address && addressFault(address, protocol, options.policy)
    const connector = connectors.get(protocol)
    if (fault || !connector) {
      callback(new ConnectionFault('refused-address', fault || 'Only http and https are spoken.'), null)
      return
    }
    connector(target, (error, socket) => {
      if (error) {
        callback(faultOf(error, protocol), null)
        return
      }
      open++
      socket.once('close', () => open--)
      callback(null, socket)
    })
  }
  return {
    connect,
    get open() {
      return open
    },
  }
}

function connectorFor(protocol: string, { build, policy, addresses, timeoutMs, ca }: ConnectorOptions) {
  const lookup: LookupFunction = (name, { all }, callback) => {
    checked(name).then(
      found => {
        const [first] = found
        if (all) callback(null, found)
        else callback(null, first?.address ?? '', first?.family)
      },
      error => callback(error, ''),
    )
  }

  async function checked(name: string) {
    const found = await addresses.find(name).catch(error => {
      throw new ConnectionFault('dns', `The host has no address (${codeOf(error)}).`, error)
    })
    for (const { address } of found) {
      const fault = addressFault(address, protocol, policy)
      if (fault) throw new ConnectionFault('refused-address', fault)
    }
    return found
  }

  return build({
    lookup,
    timeout: timeoutMs,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    allowH2: false,
    ...(ca !== undefined && { ca }),
  })
}

function faultOf(error: Error, protocol: string): ConnectionFault {
  if (error instanceof ConnectionFault) return error
  const code = codeOf(error)
  const isConnect =
    code === 'UND_ERR_CONNECT_TIMEOUT' || 'syscall' in error || error instanceof AggregateError
  return isConnect || protocol === 'http:'
    ? new ConnectionFault('connect', `The host accepts no connection (${code}).`, error)
    : new ConnectionFault('tls', `The host offers no secure connection (${code}).`, error)
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'no code'
}
