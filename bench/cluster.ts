/**
 * Several gateways on one database: how often an event is read from the log, and what it costs Postgres and the gateways, by bus. Events
 * of one stream are posted to each gateway in turn, one at a time, or by eight publishers at once. All gateways have clients that
 * check that they get every event once, those of the first case also its order.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { startBroker } from './broker.js'
import { stop } from './child.js'
import { Crowd } from './crowd.js'
import { cpuSeconds } from './process-usage.js'
import type { Row, Size } from './row.js'
import { type Server, serverOf } from './server.js'
import { now, percentile, round } from './statistics.js'
import { type Subject, startGateway, startSubject, tokenOf } from './subject.js'

const BUSES = ['postgres', 'nats', 'redis'] as const
const GATEWAYS = [1, 4, 12]
const PUBLISHERS = [1, 8]
const MANY_PUBLISHERS_AT = 4
const RATE = 100
const SECONDS = { default: 8, full: 30 }
const CLIENTS_OF_GATEWAY = 5
const WARM_UP_EVENTS = 400
/** For as long a new process polls more often (src/cluster/cluster.ts). */
const SETTLED_MS = 5_500

export async function cluster(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const bus of BUSES)
    for (const gateways of GATEWAYS)
      for (const publishers of gateways === MANY_PUBLISHERS_AT ? PUBLISHERS : [1])
        rows.push(await measured(bus, gateways, publishers, SECONDS[size]))
  return rows
}

async function measured(bus: (typeof BUSES)[number], gateways: number, publishers: number, seconds: number) {
  const broker = bus === 'postgres' ? undefined : await startBroker(bus)
  const subject = await startSubject({ env: { BUS: bus, ...broker?.env } })
  const all: Server[] = [subject]
  const crowd = new Crowd()
  try {
    while (all.length < gateways) {
      const running = await startGateway(subject.env)
      all.push(serverOf({ ...running, viewer: subject.viewer, editor: subject.editor }))
    }
    const play = publishers === 1 ? inTurn(all, crowd) : atOnce(all, publishers)
    await play(WARM_UP_EVENTS, 2 * RATE)
    await pause(SETTLED_MS)
    const before = await usageOf(subject, all, broker?.pid)
    const start = performance.now()
    const events = RATE * seconds
    const delays = await play(events, RATE)
    const elapsed = (performance.now() - start) / 1_000
    const after = await usageOf(subject, all, broker?.pid)
    const used = (name: keyof typeof before) => after[name] - before[name]
    return {
      bus,
      gateways,
      publishers,
      'events/s': Math.round(events / elapsed),
      'reads/event': round(used('reads') / events),
      'events read/event': round(used('read') / events),
      'carried/event': round(used('taken') / events),
      'Postgres µs CPU/event': Math.round((used('database') * 1e6) / events),
      'gateways µs CPU/event': Math.round((used('gateways') * 1e6) / events),
      'broker µs CPU/event': Math.round((used('broker') * 1e6) / events),
      'commit→client p50 ms': delays ? round(percentile(delays, 50)) : '',
      'p99 ms': delays ? round(percentile(delays, 99)) : '',
    }
  } finally {
    await crowd.close()
    await Promise.all(all.slice(1).map(server => server.close()))
    await subject.close()
    if (broker) await stop(broker.child)
  }
}

type Play = (events: number, rate: number) => Promise<readonly number[] | undefined>

/** One publisher, so the order of the events is that of their numbers. Returns the sorted delays of all deliveries, in ms. */
function inTurn(servers: readonly Server[], crowd: Crowd): Play {
  let next = 0
  let isOpen = false
  return async (events, rate) => {
    if (!isOpen) for (const server of servers) await crowd.open(CLIENTS_OF_GATEWAY, { server })
    isOpen = true
    const [first, end] = [next, next + events]
    const acknowledged = new Array<number>(first).fill(Number.NaN)
    const start = performance.now()
    for (; next < end; next += 1) {
      await pause(Math.max(0, start + ((next - first) * 1_000) / rate - performance.now()))
      await servers[next % servers.length]?.publish(next)
      acknowledged[next] = now()
    }
    await crowd.reached(end)
    return (await crowd.report(acknowledged)).delays[0]
  }
}

/** Each publisher posts to one gateway after the other. */
function atOnce(servers: readonly Server[], publishers: number): Play {
  let next = 0
  let counters: readonly Counter[] | undefined
  return async (events, rate) => {
    counters ??= await Promise.all(servers.map(Counter.open))
    const [first, end] = [next, next + events]
    const start = performance.now()
    const publish = async (one: number) => {
      for (let n = first + one; n < end; n += publishers) {
        await pause(
          Math.max(
            0,
            start + (Math.floor((n - first) / publishers) * publishers * 1_000) / rate - performance.now(),
          ),
        )
        await servers[(n + Math.floor(n / servers.length)) % servers.length]?.publish(n)
      }
    }
    await Promise.all(Array.from({ length: publishers }, (_, one) => publish(one)))
    next = end
    await Promise.all(counters.map(counter => counter.reached(end)))
    return undefined
  }
}

/** A client that checks that it gets each event once. */
class Counter {
  readonly #seen = new Set<number>()
  #twice = 0

  static async open(server: Server): Promise<Counter> {
    const headers = { authorization: `Bearer ${server.viewer}` }
    const response = await fetch(`${server.url}${server.path}`, { headers })
    const counter = new Counter()
    if (!response.body) throw new Error('A stream has no body.')
    void counter.#read(response.body).catch(() => {})
    return counter
  }

  async reached(end: number): Promise<void> {
    const deadline = performance.now() + 30_000
    while (this.#seen.size < end && performance.now() < deadline) await pause(5)
    if (this.#seen.size !== end || this.#twice > 0)
      throw new Error(`A client got ${this.#seen.size} of ${end} events, and ${this.#twice} of them twice.`)
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = ''
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const n = /^data: \{"n":(\d+)/.exec(line)?.[1]
        if (n === undefined) continue
        if (this.#seen.has(Number(n))) this.#twice += 1
        this.#seen.add(Number(n))
      }
    }
  }
}

async function usageOf(subject: Subject, servers: readonly Server[], broker: number | undefined) {
  const headers = { authorization: `Bearer ${tokenOf('demo', 'admin')}` }
  const texts = await Promise.all(
    servers.map(async ({ url }) => (await fetch(`${url}/metrics`, { headers })).text()),
  )
  const sum = (name: string) =>
    texts
      .flatMap(text => text.split('\n'))
      .filter(line => line.startsWith(name))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  const cpus = await Promise.all(servers.map(server => server.cpuSeconds()))
  return {
    reads: sum('sluice_tailer_reads_total '),
    read: sum('sluice_events_read_total{'),
    taken: sum('sluice_events_carried_total{use="taken"}'),
    gateways: cpus.reduce((total, cpu) => total + cpu, 0),
    database: (await subject.wholeCpuSeconds()) - (await subject.cpuSeconds()),
    broker: broker === undefined ? 0 : await cpuSeconds(broker),
  }
}
