/** One measured run: a number of clients, a number of events at a steady rate, and the delay of each delivery. */
import { setTimeout as pause } from 'node:timers/promises'
import { Crowd } from './crowd.js'
import type { Server } from './server.js'
import { now } from './statistics.js'

/** Until the server's code for publishing is compiled; 20 events a second would take minutes for that. */
const WARM_UP_PUBLISHES = 2_000
const PUBLISHERS = 4
/**
 * Until its code for delivering is compiled: so many events, a few at a time, or those of so many seconds. At 20 events a second that
 * would take minutes, too.
 */
const WARM_UP_DELIVERIES = { events: 3_000, atOnce: 50, seconds: 5 }
/** At the measured rate. */
const WARM_UP_SECONDS = 2

export interface Plan {
  readonly server: Server
  readonly clients: number
  /** Events per second, and how many are published at a time. */
  readonly rate: number
  readonly atOnce?: number
  readonly seconds: number
  /** Publishes before the clients come. Default: 2,000. */
  readonly warmUp?: number
  /** Default: over HTTP. Resolves when they are stored. */
  readonly publish?: Server['publish']
}

export interface Delivered {
  readonly deliveries: number
  /** Delays of all deliveries in ms, sorted: since the COMMIT was known, and since the publish was sent. */
  readonly committed: readonly number[]
  readonly requested: readonly number[]
  /** CPU that the server and the clients' process used meanwhile, in seconds. */
  readonly serverCpu: number
  /** The server's, and its database's. */
  readonly wholeCpu: number
  readonly clientsCpu: number
  readonly residentBytes: number
  readonly seconds: number
}

export async function deliver(plan: Plan): Promise<Delivered> {
  const { server, clients, rate, atOnce = 1, seconds, publish = server.publish } = plan
  const { warmUp = WARM_UP_PUBLISHES } = plan
  // No client follows yet, so none receives these.
  await Promise.all(Array.from({ length: PUBLISHERS }, () => publishAgain(publish, warmUp / PUBLISHERS)))
  const crowd = new Crowd()
  try {
    await crowd.open(clients, { server })
    const sent: number[] = []
    const acknowledged: number[] = []
    const publishUntil = async (from: number, end: number) => {
      const start = performance.now()
      for (let n = from; n < end; n += atOnce) {
        await pause(Math.max(0, start + ((n - from) * 1_000) / rate - performance.now()))
        sent.fill(now(), n, n + atOnce)
        // One after another: the order of the events is the order of n.
        await publish(n, atOnce)
        acknowledged.fill(now(), n, n + atOnce)
      }
      return crowd.reached(end)
    }
    const warm = await publishInTurns(publish, crowd)
    const first = warm + Math.ceil((rate * WARM_UP_SECONDS) / atOnce) * atOnce
    const end = first + Math.ceil((rate * seconds) / atOnce) * atOnce
    sent.length = end
    acknowledged.length = end
    const { cpuSeconds: clientsBefore } = await publishUntil(warm, first)
    const serverBefore = await server.cpuSeconds()
    const wholeBefore = await server.wholeCpuSeconds()
    const start = performance.now()
    await publishUntil(first, end)
    const elapsed = (performance.now() - start) / 1_000
    const serverCpu = (await server.cpuSeconds()) - serverBefore
    const wholeCpu = (await server.wholeCpuSeconds()) - wholeBefore
    const residentBytes = await server.residentBytes()
    // Events of the warm-up have no start time, so they do not count.
    const { cpuSeconds, delays } = await crowd.report(
      ...[acknowledged, sent].map(all => all.fill(Number.NaN, 0, first)),
    )
    const [committed = [], requested = []] = delays
    return {
      deliveries: clients * (end - first),
      committed,
      requested,
      seconds: elapsed,
      serverCpu,
      wholeCpu,
      clientsCpu: cpuSeconds - clientsBefore,
      residentBytes,
    }
  } finally {
    await crowd.close()
  }
}

async function publishAgain(publish: Server['publish'], times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) await publish(n)
}

/** The clients get all events of a turn before the next turn. @returns how many were published. */
async function publishInTurns(publish: Server['publish'], crowd: Crowd): Promise<number> {
  const { events, atOnce, seconds } = WARM_UP_DELIVERIES
  const end = performance.now() + seconds * 1_000
  let published = 0
  while (published < events && performance.now() < end) {
    for (const turnEnd = published + atOnce; published < turnEnd; published += 1) await publish(published)
    await crowd.reached(published)
  }
  return published
}
