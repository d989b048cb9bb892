/** The storm at a small scale with real gateways, which must confirm the simulation. */
import { setTimeout as pause } from 'node:timers/promises'
import { stop } from '../child.js'
import { Crowd } from '../crowd.js'
import type { Report } from '../listeners.js'
import { cpuSeconds } from '../process-usage.js'
import { serverOf } from '../server.js'
import { now, sorted } from '../statistics.js'
import { type Subject, startGateway, startSubject } from '../subject.js'
import type { StormResult } from './storm.js'

const EVENTS = 100
const EVENTS_EACH_MS = 50
/** Until the garbage of connecting is collected. */
const SETTLE_MS = 15_000
const TAIL_READ = /execute sluice-read-tails/

export interface Rehearsal {
  readonly storm: StormResult
  /** Of the gateways that stay, in the whole storm: CPU for each opening, ms. */
  readonly openingMs: number
  /** Bytes of one gateway with its clients, on average. */
  readonly residentBytes: number
  /** Reads of the log for each event, of all gateways together. */
  readonly readsPerEvent: number
}

export interface RehearsalOptions {
  readonly nodes: number
  readonly clients: number
  readonly end: 'SIGTERM' | 'SIGKILL'
}

/** Ends one of several gateways with clients, while another one without clients publishes. */
export async function rehearse({ nodes: count, clients, end }: RehearsalOptions): Promise<Rehearsal> {
  const reads = { count: 0 }
  const subject = await startSubject({
    settings: { log_statement: 'all' },
    onLog: line => {
      if (TAIL_READ.test(line)) reads.count += 1
    },
  })
  const crowds: Crowd[] = []
  const nodes: Node[] = []
  try {
    for (let n = 0; n < count; n += 1) nodes.push(await startNode(subject))
    for (const [n, server] of nodes.entries()) {
      const crowd = new Crowd()
      crowds.push(crowd)
      const elsewhere = nodes.filter(node => node !== server).map(({ url }) => url)
      const share = Math.floor((clients * (n + 1)) / count) - Math.floor((clients * n) / count)
      await crowd.open(share, { server, returns: true, elsewhere })
    }
    await pause(SETTLE_MS)
    reads.count = 0
    await live(subject, crowds)
    const readsPerEvent = reads.count / EVENTS
    const resident = await Promise.all(nodes.map(node => node.residentBytes()))
    const residentBytes = resident.reduce((sum, bytes) => sum + bytes, 0) / count
    return { ...(await endOne(subject, nodes, crowds, end)), residentBytes, readsPerEvent }
  } finally {
    await Promise.all([...crowds, ...nodes].map(each => each.close()))
    await subject.close()
  }
}

type Node = Awaited<ReturnType<typeof startNode>>

async function startNode(subject: Subject) {
  const running = await startGateway(subject.env)
  const { child } = running
  const server = serverOf({ ...running, viewer: subject.viewer, editor: subject.editor })
  return Object.assign(server, {
    pid: child.pid ?? 0,
    end: (signal: RehearsalOptions['end']) => stop(child, signal),
  })
}

async function live(subject: Subject, crowds: readonly Crowd[]): Promise<void> {
  for (let n = 0; n < EVENTS; n += 1) {
    await subject.publish(n)
    await pause(EVENTS_EACH_MS)
  }
  await Promise.all(crowds.map(crowd => crowd.reached(EVENTS)))
}

async function endOne(
  subject: Subject,
  nodes: readonly Node[],
  crowds: readonly Crowd[],
  end: RehearsalOptions['end'],
) {
  const [ended, ...others] = nodes
  const used = async () => {
    const all = await Promise.all(others.map(({ pid }) => cpuSeconds(pid)))
    return all.reduce((sum, seconds) => sum + seconds, 0)
  }
  const before = await used()
  const start = now()
  await ended?.end(end)
  await subject.publish(EVENTS)
  // A client is back, and has missed nothing, when it has this event.
  await Promise.all(crowds.map(crowd => crowd.reached(EVENTS + 1)))
  const seconds = (await used()) - before
  const storm = stormOf(await Promise.all(crowds.map(crowd => crowd.report())), start, others.length)
  return { storm, openingMs: (seconds * 1_000) / storm.returned }
}

function stormOf(reports: readonly Report[], start: number, survivors: number): StormResult {
  const times = sorted(reports.flatMap(({ reopened }) => reopened.map(at => (at - start) / 1e6)))
  const seconds = new Map<number, number>()
  for (const at of times) seconds.set(Math.floor(at / 1_000), (seconds.get(Math.floor(at / 1_000)) ?? 0) + 1)
  return {
    mostOpenings: Math.max(...seconds.values()) / survivors,
    mostCpu: Number.NaN,
    mostClients: Number.NaN,
    refused: 0,
    returned: times.length,
    halfBackMs: times[Math.floor(times.length / 2)] ?? 0,
    allBackMs: times.at(-1) ?? 0,
  }
}
