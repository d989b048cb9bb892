/**
 * A deploy under load: clients on three gateways behind a balancer that looks at /ready and prefers the gateway with the fewest
 * connections. The gateways are replaced one after the other, each by SIGTERM and a new process on its port, while events are
 * published. Every client must receive every event once and in order.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import limit from 'p-limit'
import { startEmbedded } from '../src/embedded-postgres/embedded-postgres.js'
import { stop } from './child.js'
import { backendsSince } from './holdings.js'
import { RollingClient, type Upstream } from './rolling-client.js'
import { chosenOf, LOOK_MS, lookAt, type Node, startNode } from './rolling-nodes.js'
import { tokenOf } from './subject.js'

const GATEWAYS = 3
const PUBLISH_MS = 1_000
const CONNECTS_AT_ONCE = 64
/** After the last event every client must have it within this time. */
const ARRIVAL_MS = 30_000
/** The reads for clients that come back, and those of the tailers, as Postgres logs these statements. */
const CLIENT_READ = /execute sluice-read-(page|event|place|bounds|filtered-page)/
const TAILER_READ = /execute sluice-read-tails/

export interface RollingDeployOptions {
  readonly clients: number
  /** How often all gateways are replaced, one round after the other. Default 1. */
  readonly rounds?: number
  /** Of the gateways, besides their defaults. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Round {
  readonly seconds: number
  /** The connections to Postgres at its end, of all gateways together. */
  readonly backends: number
  /** Of these, the ones that are older than the round, so that a process that has been replaced has left them. */
  readonly left: number
}

export interface RollingDeploy {
  /** From the first SIGTERM until the last new gateway was ready and no client was without a stream. */
  readonly seconds: number
  readonly rounds: readonly Round[]
  readonly events: number
  /** Clients that missed an event, got one twice, or got a reset: what happened. */
  readonly faults: readonly string[]
  /** Clients that did not have all events in the end. */
  readonly behind: number
  /** New connections to each gateway in each second of the deploy. */
  readonly connects: readonly (readonly number[])[]
  readonly refusals: number
  /** Reads of the log for clients that came back. */
  readonly clientReads: number
  /** Reads of the log by the tailers: of new events, and polls. */
  readonly tailerReads: number
}

export async function rollingDeploy({
  clients,
  rounds: count = 1,
  env = {},
}: RollingDeployOptions): Promise<RollingDeploy> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const reads = { clientReads: 0, tailerReads: 0 }
  const database = await startEmbedded({
    dataDir,
    settings: { log_statement: 'all' },
    onLog(line) {
      if (CLIENT_READ.test(line)) reads.clientReads += 1
      else if (TAILER_READ.test(line)) reads.tailerReads += 1
    },
  })
  const nodes: Node[] = []
  const crowd = new Crowd(nodes)
  try {
    for (let index = 0; index < GATEWAYS; index += 1) {
      nodes.push(await startNode({ ...env, DATABASE_URL: database.url, DATA_DIR: dataDir }))
    }
    const looking = setInterval(() => void lookAt(nodes), LOOK_MS)
    await lookAt(nodes)
    await crowd.open(clients)
    const publisher = new Publisher(nodes)
    Object.assign(reads, { clientReads: 0, tailerReads: 0 })
    crowd.begin()
    const rounds: Round[] = []
    for (let round = 0; round < count; round += 1) {
      const begun = crowd.seconds()
      // Postgres is on this machine, so it has the same clock.
      const since = new Date()
      for (const node of nodes) await node.replace()
      await crowd.connected()
      const seconds = crowd.seconds() - begun
      const { count: backends, older: left } = await backendsSince(database.url, since)
      rounds.push({ seconds, backends, left })
    }
    const seconds = crowd.seconds()
    const during = { ...reads }
    const events = await publisher.close()
    const behind = await crowd.behind(events)
    clearInterval(looking)
    return { ...crowd.report(), seconds, rounds, events, behind, ...during }
  } finally {
    crowd.close()
    await Promise.all(nodes.map(({ running }) => stop(running.child)))
    await database.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

class Crowd {
  readonly #nodes: readonly Node[]
  readonly #clients: RollingClient[] = []
  readonly #faults: string[] = []
  #begunAt = Number.POSITIVE_INFINITY

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes
  }

  async open(count: number): Promise<void> {
    const slots = limit(CONNECTS_AT_ONCE)
    const options = {
      token: tokenOf('demo', 'viewer'),
      choose: () => chosenOf(this.#nodes),
      onConnect: ({ connects }: Upstream) => {
        const second = Math.floor(this.seconds())
        if (second >= 0) connects[second] = (connects[second] ?? 0) + 1
      },
      onFault: (fault: string) => void this.#faults.push(fault),
    }
    const one = () => {
      const client = new RollingClient(options)
      this.#clients.push(client)
      return client.open
    }
    await Promise.all(Array.from({ length: count }, () => slots(one)))
  }

  begin(): void {
    this.#begunAt = performance.now()
  }

  /** Since `begin`; negative before. */
  seconds(): number {
    return (performance.now() - this.#begunAt) / 1_000
  }

  async connected(): Promise<void> {
    while (!this.#clients.every(({ isOpen }) => isOpen)) await pause(50)
  }

  /** The clients that do not have all events in time. */
  async behind(events: number): Promise<number> {
    const late = performance.now() + ARRIVAL_MS
    const behind = () => this.#clients.filter(({ next }) => next < events).length
    while (behind() > 0 && performance.now() < late) await pause(50)
    return behind()
  }

  report() {
    const refusals = this.#clients.reduce((sum, client) => sum + client.refusals, 0)
    return { faults: this.#faults, refusals, connects: this.#nodes.map(({ connects }) => [...connects]) }
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }
}

/** Publishes an event each second; each is stored once, whichever gateway is replaced meanwhile. */
class Publisher {
  readonly #nodes: readonly Node[]
  readonly #publishing: Promise<number>
  #closing = false

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes
    this.#publishing = this.#publish()
  }

  /** Resolves with the number of events. */
  close(): Promise<number> {
    this.#closing = true
    return this.#publishing
  }

  async #publish(): Promise<number> {
    let n = 0
    while (!this.#closing) {
      while (!(await this.#post(n))) await pause(LOOK_MS / 10)
      n += 1
      await pause(PUBLISH_MS)
    }
    return n
  }

  async #post(n: number): Promise<boolean> {
    const node = chosenOf(this.#nodes)
    if (!node) return false
    const headers = {
      authorization: `Bearer ${tokenOf('demo', 'editor')}`,
      'content-type': 'application/json',
      'idempotency-key': `event-${n}`,
    }
    const body = JSON.stringify({ type: 'tick', data: { n } })
    const url = `http://127.0.0.1:${node.port}/api/events`
    const response = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined)
    await response?.arrayBuffer().catch(() => undefined)
    return response?.ok ?? false
  }
}
