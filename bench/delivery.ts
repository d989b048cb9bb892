/** One measured run: so many clients, so many events at a steady rate, and when each event reached each client. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Order, Report } from './listeners.js'
import { now } from './statistics.js'
import type { Server } from './subject.js'

const LISTENERS = fileURLToPath(new URL('./listeners.js', import.meta.url))
const SETTLE_MS = 1_000
const PATIENCE_MS = 60_000

export interface Plan {
  readonly server: Server
  readonly clients: number
  readonly rate: number
  readonly events: number
  /** Publishes event n, with data `{"n":n,…}`; resolves when it is stored. */
  publish(n: number): Promise<unknown>
}

export interface Delivered {
  /** arrivals[client][n], and when event n was sent and acknowledged: ns of the same clock. */
  readonly arrivals: readonly (readonly number[])[]
  readonly sent: readonly number[]
  readonly acknowledged: readonly number[]
  /** CPU that the server and the clients' process used meanwhile, in seconds. */
  readonly serverCpu: number
  readonly clientsCpu: number
}

export async function deliver({ server, clients, rate, events, publish }: Plan): Promise<Delivered> {
  const listeners = fork(LISTENERS)
  const reports = async () => ((await once(listeners, 'message')) as [Report])[0]
  listeners.send({ url: server.url, token: server.viewer, clients } satisfies Order)
  await reports()

  const sent: number[] = []
  const acknowledged: number[] = []
  const cpuBefore = await server.cpuSeconds()
  const start = performance.now()
  for (let n = 0; n < events; n += 1) {
    await pause(Math.max(0, start + (n * 1_000) / rate - performance.now()))
    sent[n] = now()
    // One after another: the order of the events is the order of n.
    await publish(n)
    acknowledged[n] = now()
  }
  await pause(SETTLE_MS)
  const serverCpu = (await server.cpuSeconds()) - cpuBefore

  listeners.send('report')
  const late = setTimeout(() => listeners.kill(), PATIENCE_MS)
  const report = await reports()
  clearTimeout(late)
  if (report.kind !== 'arrivals') throw new Error('The listeners did not report.')
  if (report.fault) throw new Error(report.fault)
  const short = report.arrivals.findIndex(client => client.length !== events)
  if (short >= 0)
    throw new Error(`Client ${short} got ${report.arrivals[short]?.length} of ${events} events.`)
  return { arrivals: report.arrivals, sent, acknowledged, serverCpu, clientsCpu: report.cpuSeconds }
}
