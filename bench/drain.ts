/** One of two gateways ends by SIGTERM under its clients, while events are published: all of them go on at the other one. */
import { setTimeout as pause } from 'node:timers/promises'
import { stop } from './child.js'
import { Crowd } from './crowd.js'
import { backendsOf } from './holdings.js'
import { cpuSeconds } from './process-usage.js'
import { withClient } from './seed.js'
import { serverOf } from './server.js'
import { SqlPublisher } from './sql-publisher.js'
import { now } from './statistics.js'
import { startGateway, startSubject } from './subject.js'

const EVERY_MS = 100
const LOOK_AGAIN_MS = 100
const PATIENCE_MS = 30_000

export interface Drain {
  /** From the signal until the process had ended, and until the last client had its stream again; seconds. */
  readonly endedAfter: number
  readonly resumedAfter: number
  /** Clients that came back. */
  readonly returned: number
  readonly events: number
  /** CPU of the gateway that stayed, in seconds. */
  readonly cpuSeconds: number
  /** Connections to Postgres: of the one gateway that stays, before the other one started and after it had ended. */
  readonly backends: { readonly before: number; readonly after: number }
}

/** @throws if a client misses an event, gets one twice or out of order, or does not come back. */
export async function drain(clients: number, env: Readonly<Record<string, string>> = {}): Promise<Drain> {
  const staying = await startSubject({ env })
  const crowd = new Crowd()
  const { databaseUrl } = staying
  try {
    await staying.publish(0)
    const before = await backendsOf(databaseUrl)
    const running = await startGateway(staying.env)
    const server = serverOf({ ...running, viewer: staying.viewer })
    await crowd.open(clients, { server, returns: true, elsewhere: [staying.url], notes: false })
    return await withClient(databaseUrl, async client => {
      const publisher = new SqlPublisher()
      let going = true
      const publishing = publisher.publishWhile(client, EVERY_MS, () => going)
      const used = await cpuSeconds(staying.pid)
      const start = now()
      await stop(running.child)
      const endedAfter = (now() - start) / 1e9
      const { returned, reopened } = await allReturned(crowd, clients)
      going = false
      await publishing
      await crowd.reached(publisher.sent.length)
      return {
        endedAfter,
        resumedAfter: (Math.max(...reopened) - start) / 1e9,
        returned,
        events: publisher.sent.length,
        cpuSeconds: (await cpuSeconds(staying.pid)) - used,
        backends: { before, after: await backendsAtMost(databaseUrl, before) },
      }
    })
  } finally {
    await crowd.close()
    await staying.close()
  }
}

async function allReturned(crowd: Crowd, clients: number) {
  const late = performance.now() + PATIENCE_MS
  for (;;) {
    const report = await crowd.report()
    if (report.reopened.length >= clients) return report
    if (performance.now() > late)
      throw new Error(`${report.reopened.length} of ${clients} clients came back.`)
    await pause(LOOK_AGAIN_MS)
  }
}

async function backendsAtMost(databaseUrl: string, most: number): Promise<number> {
  const late = performance.now() + PATIENCE_MS
  for (;;) {
    const backends = await backendsOf(databaseUrl)
    if (backends <= most || performance.now() > late) return backends
    await pause(LOOK_AGAIN_MS)
  }
}
