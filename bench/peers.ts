/** The gateway beside other event servers: same payload, same publishing over HTTP, by turns, medians of three rounds. */
import { startBaseline, startStoring } from './baseline.js'
import { wantedOf } from './cells.js'
import { type Delivered, deliver } from './delivery.js'
import { centrifugo } from './peers/centrifugo.js'
import { mercure } from './peers/mercure.js'
import { nchan } from './peers/nchan.js'
import { startPeer } from './peers/peer.js'
import type { Row, Size } from './row.js'
import type { Server } from './server.js'
import { percentile, round, sorted } from './statistics.js'
import { startSubject } from './subject.js'

const CELLS = [
  { clients: 100, rate: 20 },
  { clients: 1_000, rate: 10 },
  { clients: 2_000, rate: 20 },
] as const
const ROUNDS = 3
const SECONDS = { default: 6, full: 15 }

const SERVERS: Readonly<Record<string, () => Promise<Server | undefined>>> = {
  Sluice: () => startSubject(),
  ...Object.fromEntries([nchan, mercure, centrifugo].map(peer => [peer.name, () => startPeer(peer)])),
  'better-sse': () => startBaseline('better-sse'),
  'bare Node': () => startBaseline('bare'),
  'bare Node, INSERT first': startStoring,
}

export async function peers(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  const missing = new Set<string>()
  for (const { clients, rate } of wantedOf(CELLS)) {
    const runs = new Map<string, Delivered[]>()
    for (let n = 0; n < ROUNDS; n += 1) {
      for (const [name, start] of Object.entries(SERVERS)) {
        const server = await start()
        if (!server) {
          missing.add(name)
          continue
        }
        try {
          const delivered = await deliver({ server, clients, rate, seconds: SECONDS[size] })
          runs.set(name, [...(runs.get(name) ?? []), delivered])
        } finally {
          await server.close()
        }
      }
    }
    for (const [server, all] of runs) rows.push({ clients, 'events/s': rate, server, ...medians(all) })
  }
  for (const name of missing) console.log(`${name}: not measured, because it is not installed.`)
  return rows
}

function medians(runs: readonly Delivered[]): Row {
  const median = (value: (run: Delivered) => number) => round(percentile(sorted(runs.map(value)), 50))
  return {
    'µs CPU/delivery': median(({ serverCpu, deliveries }) => (serverCpu * 1e6) / deliveries),
    'with database': median(({ wholeCpu, deliveries }) => (wholeCpu * 1e6) / deliveries),
    'request→client p50 ms': median(({ requested }) => percentile(requested, 50)),
    'p99 ms': median(({ requested }) => percentile(requested, 99)),
    'RSS MB': median(({ residentBytes }) => residentBytes / 1e6),
  }
}
