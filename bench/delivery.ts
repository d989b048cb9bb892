/** One measured run: so many clients, so many events at a steady rate, and how long each took to each client. */
import { setTimeout as pause } from 'node:timers/promises'
import { Crowd } from './crowd.js'
import type { Server } from './server.js'
import { now } from './statistics.js'

export interface Plan {
  readonly server: Server
  readonly clients: number
  /** Events a second, and how many are published at a time. */
  readonly rate: number
  readonly atOnce?: number
  readonly seconds: number
  /** Default: over HTTP. Resolves when they are stored. */
  readonly publish?: Server['publish']
}

export interface Delivered {
  readonly deliveries: number
  /** Delays of all deliveries in ms, sorted: since COMMIT was known, and since the publish was sent. */
  readonly committed: readonly number[]
  readonly requested: readonly number[]
  /** CPU that the server and the clients' process used meanwhile, in seconds. */
  readonly serverCpu: number
  readonly clientsCpu: number
  readonly residentBytes: number
  readonly seconds: number
}

export async function deliver(plan: Plan): Promise<Delivered> {
  const { server, clients, rate, atOnce = 1, seconds, publish = server.publish } = plan
  const crowd = new Crowd()
  try {
    const { cpuSeconds: clientsBefore } = await crowd.open(clients, { server })
    // Once around, so that nothing is measured that happens only the first time.
    await publish(0, atOnce)
    await crowd.reached(atOnce)

    const events = Math.round((rate * seconds) / atOnce) * atOnce + atOnce
    const sent: number[] = []
    const acknowledged: number[] = []
    const serverBefore = await server.cpuSeconds()
    const start = performance.now()
    for (let n = atOnce; n < events; n += atOnce) {
      await pause(Math.max(0, start + ((n - atOnce) * 1_000) / rate - performance.now()))
      const sentAt = now()
      // One after another: the order of the events is the order of n.
      await publish(n, atOnce)
      const acknowledgedAt = now()
      for (let one = n; one < n + atOnce; one += 1) {
        sent[one] = sentAt
        acknowledged[one] = acknowledgedAt
      }
    }
    await crowd.reached(events)
    const elapsed = (performance.now() - start) / 1_000
    const serverCpu = (await server.cpuSeconds()) - serverBefore
    const residentBytes = await server.residentBytes()
    const { cpuSeconds, delays } = await crowd.report(acknowledged, sent)
    const [committed = [], requested = []] = delays
    return {
      ...{ deliveries: clients * (events - atOnce), committed, requested, seconds: elapsed },
      ...{ serverCpu, clientsCpu: cpuSeconds - clientsBefore, residentBytes },
    }
  } finally {
    await crowd.close()
  }
}
