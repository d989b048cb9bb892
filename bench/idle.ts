/** The cost of a client that receives only heartbeats: memory, and the CPU of the heartbeats. */
import { setTimeout as pause } from 'node:timers/promises'
import { Crowd } from './crowd.js'
import { openFilesLimit } from './process-usage.js'
import type { Row, Size } from './row.js'
import { round } from './statistics.js'
import { startSubject } from './subject.js'

const CLIENTS = { default: [1_000, 10_000], full: [1_000, 10_000, 20_000] }
/** Clients before the first measurement of memory, so that everything allocated once exists by then. */
const WARM_UP_CLIENTS = 200
const HEARTBEAT_MS = 5_000
/** Meanwhile the garbage of the start and of the connections is collected. */
const SETTLE_MS = 15_000
const MEASURED_MS = 10_000
/** Files that a process has open in addition to its clients. */
const OTHER_FILES = 200

export async function idle(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  const limit = (await openFilesLimit()) - OTHER_FILES
  for (const wanted of CLIENTS[size]) {
    const clients = Math.min(wanted, limit)
    if (clients < wanted) console.log(`${wanted} clients: ${clients}, as many as files may be open here.`)
    const subject = await startSubject({ env: { HEARTBEAT_MS: String(HEARTBEAT_MS) } })
    const crowd = new Crowd()
    try {
      await crowd.open(WARM_UP_CLIENTS, { server: subject })
      await pause(SETTLE_MS)
      const before = await subject.residentBytes()
      await crowd.open(clients - WARM_UP_CLIENTS, { server: subject })
      const connected = await subject.residentBytes()
      await pause(SETTLE_MS)

      const cpuBefore = await subject.cpuSeconds()
      const { heartbeats: heardBefore } = await crowd.report()
      await pause(MEASURED_MS)
      const { heartbeats } = await crowd.report()
      const cpu = (await subject.cpuSeconds()) - cpuBefore
      const after = await subject.residentBytes()
      const heard = heartbeats - heardBefore
      const due = (clients * MEASURED_MS) / HEARTBEAT_MS
      if (heard < 0.7 * due) throw new Error(`${heard} heartbeats were heard of about ${due}.`)
      const perClient = (bytes: number) => round((bytes - before) / (clients - WARM_UP_CLIENTS) / 1_000)
      rows.push({
        clients,
        'KB/client when connected': perClient(connected),
        'KB/client afterwards': perClient(after),
        'RSS MB': Math.round(after / 1e6),
        heartbeats: heard,
        'µs CPU/heartbeat': round((cpu * 1e6) / heard),
      })
    } finally {
      await crowd.close()
      await subject.close()
    }
  }
  return rows
}
