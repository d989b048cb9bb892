/** The cost of one delivery for the server, compared with servers that only fan out, in the same run. */
import { startBaseline, startFloor } from './baseline.js'
import { type Cell, wantedOf } from './cells.js'
import { type Delivered, deliver } from './delivery.js'
import type { Row, Size } from './row.js'
import type { Server } from './server.js'
import { percentile, round } from './statistics.js'
import { startSubject } from './subject.js'

interface Measured extends Cell {
  /** Measured also without `--full`. */
  readonly short?: true
}

const CELLS: readonly Measured[] = [
  { clients: 100, rate: 1 },
  { clients: 100, rate: 20 },
  { clients: 100, rate: 200 },
  { clients: 100, rate: 2_000, short: true },
  { clients: 2_000, rate: 1 },
  { clients: 2_000, rate: 20, short: true },
  { clients: 2_000, rate: 40 },
  { clients: 2_000, rate: 200, short: true },
  { clients: 2_000, rate: 2_000 },
  { clients: 10_000, rate: 1 },
  { clients: 10_000, rate: 5 },
  { clients: 10_000, rate: 20 },
  { clients: 10_000, rate: 200 },
  { clients: 10_000, rate: 2_000 },
  { clients: 15_000, rate: 2 },
]

const SECONDS = { default: 6, full: 15 }
/** Above this rate events are published in bursts: 200 events/s are 20 POSTs of 10. */
const MAX_POSTS_PER_SECOND = 20
/**
 * A rate that every server here sustains: each write costs the server, the kernel and the clients about 20 µs of two
 * processors.
 */
const MAX_WRITES_PER_SECOND = 50_000
/** The clients check every event, which costs them half a microsecond. */
const MAX_DELIVERIES_PER_SECOND = 500_000

const SERVERS: Readonly<Record<string, () => Promise<Server | undefined>>> = {
  floor: startFloor,
  bare: () => startBaseline('bare'),
  '@fastify/sse': () => startBaseline('fastify-sse'),
  'better-sse': () => startBaseline('better-sse'),
  gateway: () => startSubject(),
}
/** The second worker reads what the first one has stored. Only with `--full`. */
const SERVERS_FULL = {
  ...SERVERS,
  'gateway, 2 workers': () => startSubject({ workers: 2, env: { WORKERS: '2' } }),
}

export async function fanOut(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const { clients, rate, short } of wantedOf(CELLS)) {
    if (size === 'default' && !short) continue
    const posts = Math.min(rate, MAX_POSTS_PER_SECOND)
    if (clients * posts > MAX_WRITES_PER_SECOND || clients * rate > MAX_DELIVERIES_PER_SECOND) {
      const load = `${clients * posts} writes/s and ${clients * rate} deliveries/s`
      console.log(`${clients} clients × ${rate} events/s: skipped, two processors do not carry ${load}.`)
      continue
    }
    const measured = new Map<string, Delivered>()
    for (const [name, start] of Object.entries(size === 'full' ? SERVERS_FULL : SERVERS)) {
      const server = await start()
      if (!server) continue
      try {
        const plan = { server, clients, rate, atOnce: rate / posts, seconds: SECONDS[size] }
        measured.set(name, await deliver(plan))
      } finally {
        await server.close()
      }
    }
    rows.push(...rowsOf(clients, rate, measured))
  }
  return rows
}

/** One row per server. The gateway's latencies start at its COMMIT, the others' when they have written. */
function rowsOf(clients: number, rate: number, measured: ReadonlyMap<string, Delivered>): Row[] {
  const cost = ({ serverCpu, deliveries }: Delivered) => (serverCpu * 1e6) / deliveries
  const gateway = measured.get('gateway')
  return [...measured].map(([server, delivered]) => ({
    clients,
    'events/s': rate,
    server,
    'µs CPU/delivery': round(cost(delivered)),
    'gateway is ×': gateway ? round(cost(gateway) / cost(delivered)) : '',
    'ack→client p50 ms': round(percentile(delivered.committed, 50)),
    'p99 ms': round(percentile(delivered.committed, 99)),
    'max ms': round(percentile(delivered.committed, 100)),
    'RSS MB': Math.round(delivered.residentBytes / 1e6),
    'clients’ CPU %': Math.round((delivered.clientsCpu / delivered.seconds) * 100),
  }))
}
