/** A network between clients and a server of the loopback, which fails in the ways that networks fail, and comes back. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { ListenerSession, opensListener } from './listener-session.js'
import type { Scope } from './scope.js'
import { reset, Wire } from './wire.js'

/**
 * What the network does. `delay`: each piece takes longer. `throttle`: few bytes a second for each connection. `black-hole`: new
 * connections are accepted and never answered. `half-open`: those of now carry nothing any more, and nobody closes them; new ones
 * work. `reset`: those of now and new ones are reset. `cut`: each connection is reset after some bytes of the server. `refuse`: those
 * of now are reset, and the server takes no new ones.
 */
export type NetworkFault =
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
  | { readonly kind: 'cut'; readonly afterBytes: () => number }
  | { readonly kind: 'black-hole' | 'half-open' | 'reset' | 'refuse' }

/** A connection and, if the network lets it through, what leads it on to the server. */
interface Pair {
  readonly client: Socket
  readonly far: Socket | undefined
  readonly wires: readonly Wire[]
  isLost: boolean
  /** Of the listener of a gateway. */
  session: ListenerSession | undefined
}

export class FaultyProxy {
  readonly #pairs = new Set<Pair>()
  readonly #server = createServer(client => this.#accept(client))
  #fault: NetworkFault | undefined
  #port = 0
  #dropsNotifications = false

  private constructor(public target: number) {}

  /** @param target the port of the server, which may change: it counts for new connections. */
  static async start(scope: Scope, target: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target)
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening')
    proxy.#port = (proxy.#server.address() as AddressInfo).port
    scope.teardown(async () => {
      proxy.reset()
      await new Promise(resolve => proxy.#server.close(resolve))
    })
    return proxy
  }

  get port(): number {
    return this.#port
  }

  /** Connections that clients hold. */
  get open(): number {
    return this.#pairs.size
  }

  fail(fault: NetworkFault): void {
    this.#fault = fault
    if (fault.kind === 'reset' || fault.kind === 'refuse') this.reset()
    for (const pair of this.#pairs) {
      if (fault.kind === 'half-open') pair.isLost = true
      this.#apply(pair)
    }
  }

  /** Connections that lost bytes are reset: neither end could go on with them. */
  heal(): void {
    this.#fault = undefined
    for (const pair of this.#pairs) {
      if (pair.isLost) reset(pair.client)
      else this.#apply(pair)
    }
  }

  /** Resets the connections of now. */
  reset(): void {
    for (const { client } of this.#pairs) reset(client)
  }

  /** Of Postgres: the connections of listeners become half-open, and new ones work. @returns how many there were. */
  loseListeners(): number {
    const lost = [...this.#pairs].filter(({ session }) => session)
    for (const pair of lost) {
      pair.isLost = true
      this.#apply(pair)
    }
    return lost.length
  }

  /** Of Postgres: listeners get no notification, until it is called with false. */
  dropNotifications(drops: boolean): void {
    this.#dropsNotifications = drops
    for (const { session } of this.#pairs) if (session) session.dropsNotifications = drops
  }

  /** Of Postgres: runs `UNLISTEN *` in the sessions of listeners, which do not know of it. @returns how many there were. */
  unlisten(): number {
    const listeners = [...this.#pairs].filter(({ session }) => session)
    for (const { session, far } of listeners) far?.write(session?.statement('UNLISTEN *') ?? '')
    return listeners.length
  }

  #accept(client: Socket): void {
    const kind = this.#fault?.kind
    client.on('error', () => {})
    if (kind === 'reset' || kind === 'refuse') {
      reset(client)
      return
    }
    const isLost = kind === 'black-hole'
    const far = isLost ? undefined : connect(this.target, '127.0.0.1')
    const wires = far ? [new Wire(client, far), new Wire(far, client)] : []
    const pair: Pair = { client, far, wires, isLost, session: undefined }
    this.#pairs.add(pair)
    client.once('data', bytes => {
      if (!opensListener(bytes)) return
      const session = new ListenerSession()
      session.dropsNotifications = this.#dropsNotifications
      pair.session = session
      const [, toClient] = wires
      if (toClient) toClient.filter = answer => session.filter(answer)
    })
    client.on('close', () => {
      this.#pairs.delete(pair)
      for (const wire of wires) wire.close()
      far?.destroy()
    })
    far?.on('error', () => reset(client))
    if (isLost) client.resume()
    this.#apply(pair)
  }

  #apply({ wires, isLost }: Pair): void {
    const fault = this.#fault
    const [, toClient] = wires
    for (const wire of wires) {
      wire.isSilent = isLost
      wire.delayMs = fault?.kind === 'delay' ? fault.ms : 0
      wire.bytesPerSecond = fault?.kind === 'throttle' ? fault.bytesPerSecond : Number.POSITIVE_INFINITY
    }
    if (toClient) toClient.bytesLeft = fault?.kind === 'cut' ? fault.afterBytes() : Number.POSITIVE_INFINITY
  }
}
