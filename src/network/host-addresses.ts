/**
 * The addresses of a host name. Name servers are asked directly (c-ares): the system's own look-up (getaddrinfo) blocks one of the few
 * threads that files and cryptography of this process need too, for as long as a slow name server likes. Names that only the system
 * knows (its hosts file, search domains) are inner names; they are looked up only if the operator has allowed networks, two at a time.
 */
import { type LookupAddress, promises } from 'node:dns'
import pLimit from 'p-limit'

const QUERY_TIMEOUT_MS = 2_000
const QUERY_TRIES = 2
const SYSTEM_LOOKUPS = 2

export interface HostAddresses {
  /**
   * All addresses of a name, IPv4 first; at least one.
   * @throws {Error} with the `code` of node:dns if it has none, or if its name servers do not answer.
   */
  find(name: string): Promise<LookupAddress[]>
}

export interface HostAddressesOptions {
  /** Name servers, `address` or `address:port`. Default: those of the system. */
  readonly servers?: readonly string[]
  /** Whether names that no name server knows are looked up by the system. */
  readonly system: boolean
}

/** Never asked of a name server (RFC 6761 §6.3). */
const LOOPBACK: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]
const LOCALHOST = /^(?:[^.]+\.)*localhost$/i

export function createHostAddresses({ servers, system }: HostAddressesOptions): HostAddresses {
  const resolver = new promises.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES })
  if (servers) resolver.setServers(servers)
  const limit = pLimit(SYSTEM_LOOKUPS)

  async function bySystem(name: string): Promise<LookupAddress[]> {
    const found = await limit(() => promises.lookup(name, { all: true, verbatim: true }))
    return found.sort((one, other) => one.family - other.family)
  }

  return {
    async find(name) {
      if (LOCALHOST.test(name)) return [...LOOPBACK]
      const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
      const found = [...addressesIn(four, 4), ...addressesIn(six, 6)]
      if (found.length > 0) return found
      const fault: unknown = four.status === 'rejected' ? four.reason : new Error(`${name} has no address.`)
      if (!system) throw fault
      return await bySystem(name).catch(() => Promise.reject(fault))
    },
  }
}

function addressesIn(answer: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] {
  return answer.status === 'fulfilled' ? answer.value.map(address => ({ address, family })) : []
}
