/**
 * A cluster in simulated time, in steps of a millisecond. Clients return after the time that `retryMs` names, as the gateway sends it
 * to them, and through a proxy that chooses any gateway. Gateways drain in the waves of `waveOf`. A gateway opens streams one after
 * another, with the CPU that its other work leaves; connections that its queue cannot hold try again as Linux does, and a gateway that
 * is full refuses the client, which then waits again. Simplifications: the network takes no time, and all gateways have the same work.
 */
import { WAVE_MS, waveOf } from '../../src/hub/draining.js'
import { retryMs } from '../../src/sse/retry.js'
import { FIGURES } from './figures.js'
import { newNode, type SimulatedNode } from './simulated-node.js'

const SECOND_MS = 1_000
/** Connections that wait for a gateway: Linux' default of net.core.somaxconn, which is below what the gateway asks for. */
const MOST_WAITING = 4_096
/** When Linux sends a SYN again that was not answered, after the one before. */
const SYN_MS = [1_000, 2_000, 4_000, 8_000, 16_000]
const LAST_SYN_MS = 32_000

interface Drain {
  readonly node: SimulatedNode
  /** Clients of a wave. */
  readonly size: number
  /** When the next wave ends. */
  at: number
}

export interface StormOptions {
  readonly nodes: number
  readonly clients: number
  /** MAX_STREAMS. */
  readonly maxStreams: number
  /** The share of a core that the clients of one gateway need without a storm. */
  readonly busy: number
  /** Where a proxy sends a client: anywhere (by turns is the same), or to the gateway with the fewest clients. Default random. */
  readonly balance?: 'random' | 'fewest'
}

export interface StormResult {
  /** Openings of one gateway in one second, at most. */
  readonly mostOpenings: number
  /** The share of a core that a gateway needed in one second, at most. */
  readonly mostCpu: number
  /** Clients of one gateway, at most. */
  readonly mostClients: number
  readonly refused: number
  readonly returned: number
  /** Milliseconds from the beginning until half, and until all clients that had lost their stream had one again. */
  readonly halfBackMs: number
  readonly allBackMs: number
}

export class Storm {
  readonly #options: StormOptions
  readonly #nodes: SimulatedNode[]
  /** The gateways to which proxies send clients. */
  readonly #choices: SimulatedNode[]
  /** Attempts to connect, by the millisecond in which they arrive: for each, how often it was dropped before. */
  readonly #due = new Map<number, number[]>()
  /** Openings by millisecond. */
  readonly #openings: number[] = []
  readonly #drains: Drain[] = []
  #now = 0
  #away = 0
  #refused = 0
  #mostOpenings = 0
  #mostCpu = 0

  constructor(options: StormOptions) {
    this.#options = options
    const each = options.clients / options.nodes
    this.#nodes = Array.from({ length: options.nodes }, (_, n) => {
      const open = Math.floor(each * (n + 1)) - Math.floor(each * n)
      return { ...newNode(), open, most: open, opened: FIGURES.opening.coldOpenings }
    })
    this.#choices = [...this.#nodes]
  }

  /** Ends gateways like a crash, while no client is on its way to one. */
  kill(count: number): void {
    for (const node of this.#choices.splice(0, count)) this.#lose(node, node.open)
  }

  /** Ends the streams of all clients at once, as the restart of a proxy does. The gateways stay. */
  cut(): void {
    for (const node of this.#nodes) this.#lose(node, node.open)
  }

  /** Replaces all gateways, `surge` at a time, as a Deployment does with maxUnavailable 0; the times are those of its manifest. */
  replace(times: {
    readonly surge: number
    readonly startMs: number
    readonly minReadyMs: number
    readonly preStopMs: number
    readonly drainMs: number
  }): void {
    const old = [...this.#nodes]
    for (let first = 0; first < old.length; first += times.surge) {
      const these = old.slice(first, first + times.surge)
      this.run(times.startMs)
      const fresh = these.map(newNode)
      this.#nodes.push(...fresh)
      this.#choices.push(...fresh)
      this.run(times.minReadyMs)
      // The next gateways start meanwhile.
      for (const node of these) this.#drainLater(node, times)
    }
  }

  /** Ends gateways as SIGTERM does. */
  drain(count: number, drainMs: number): void {
    for (const node of this.#choices.slice(0, count)) this.#drainLater(node, { preStopMs: 0, drainMs })
  }

  #drainLater(node: SimulatedNode, { preStopMs, drainMs }: { preStopMs: number; drainMs: number }): void {
    this.#choices.splice(this.#choices.indexOf(node), 1)
    this.#drains.push({ node, size: waveOf(node.open, drainMs), at: this.#now + preStopMs })
  }

  /** Lets time pass. */
  run(ms: number): void {
    for (const end = this.#now + ms; this.#now < end; this.#now += 1) this.#step()
  }

  /** Lets time pass until every client has a stream. @throws if that takes more than an hour, or if clients were lost. */
  finish(): StormResult {
    for (const end = this.#now + 3_600_000; this.#away > 0 || this.#drains.length > 0; this.#now += 1) {
      if (this.#now > end) throw new Error(`${this.#away} clients have no stream after an hour.`)
      this.#step()
    }
    this.#closeSecond()
    const open = this.#nodes.reduce((sum, node) => sum + node.open, 0)
    if (open !== this.#options.clients)
      throw new Error(`${open} of ${this.#options.clients} clients have a stream.`)
    const returned = this.#openings.reduce((sum, count) => sum + (count ?? 0), 0)
    return {
      mostOpenings: this.#mostOpenings,
      mostCpu: this.#mostCpu,
      mostClients: Math.max(...this.#nodes.map(({ most }) => most)),
      refused: this.#refused,
      returned,
      halfBackMs: this.#whenBack(returned / 2),
      allBackMs: this.#whenBack(returned),
    }
  }

  #step(): void {
    for (const drain of [...this.#drains]) this.#drain(drain)
    const arrivals = this.#due.get(this.#now) ?? []
    this.#due.delete(this.#now)
    for (const drops of arrivals) this.#arrive(drops)
    for (const node of this.#nodes) if (node.waiting > 0) this.#serve(node)
    if (this.#now % SECOND_MS === SECOND_MS - 1) this.#closeSecond()
  }

  #drain(drain: Drain): void {
    if (drain.at !== this.#now) return
    this.#lose(drain.node, Math.min(drain.size, drain.node.open))
    if (drain.node.open > 0) drain.at += WAVE_MS
    else this.#drains.splice(this.#drains.indexOf(drain), 1)
  }

  #lose(node: SimulatedNode, clients: number): void {
    node.open = Math.max(0, node.open - clients)
    this.#away += clients
    for (let n = 0; n < clients; n += 1) this.#later(retryMs(), 0)
  }

  #later(ms: number, drops: number): void {
    const at = this.#now + Math.max(1, ms)
    const list = this.#due.get(at)
    if (list) list.push(drops)
    else this.#due.set(at, [drops])
  }

  #arrive(drops: number): void {
    const node = this.#choose()
    if (!node) this.#later(retryMs(), 0)
    else if (node.waiting >= MOST_WAITING) this.#later(SYN_MS[drops] ?? LAST_SYN_MS, drops + 1)
    else {
      if (node.waiting === 0) node.credit = 0
      node.waiting += 1
    }
  }

  #choose(): SimulatedNode | undefined {
    if (this.#options.balance === 'fewest') {
      const clients = ({ open, waiting }: SimulatedNode) => open + waiting
      return this.#choices.reduce<SimulatedNode | undefined>(
        (best, node) => (best && clients(best) <= clients(node) ? best : node),
        undefined,
      )
    }
    return this.#choices[Math.floor(Math.random() * this.#choices.length)]
  }

  #serve(node: SimulatedNode): void {
    node.credit += 1 - this.#options.busy
    const { coldOpenings, coldMs, warmMs } = FIGURES.opening
    for (;;) {
      const cost = node.opened < coldOpenings ? coldMs : warmMs
      if (node.waiting === 0 || node.credit < cost) return
      node.credit -= cost
      node.waiting -= 1
      node.opened += 1
      node.second += 1
      node.spentMs += cost
      if (node.open >= this.#options.maxStreams) {
        this.#refused += 1
        this.#later(retryMs(), 0)
        continue
      }
      node.open += 1
      node.most = Math.max(node.most, node.open)
      this.#away -= 1
      this.#openings[this.#now] = (this.#openings[this.#now] ?? 0) + 1
    }
  }

  #closeSecond(): void {
    for (const node of this.#nodes) {
      this.#mostOpenings = Math.max(this.#mostOpenings, node.second)
      this.#mostCpu = Math.max(this.#mostCpu, this.#options.busy + node.spentMs / SECOND_MS)
      Object.assign(node, { second: 0, spentMs: 0 })
    }
  }

  #whenBack(clients: number): number {
    let sum = 0
    for (const [at, count] of this.#openings.entries()) {
      sum += count ?? 0
      if (sum >= clients) return at
    }
    return 0
  }
}
