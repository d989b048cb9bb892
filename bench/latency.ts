/**
 * How long an event takes from its COMMIT to each client, at a steady rate: published over HTTP, and from SQL in
 * another process. The publisher knows a COMMIT when its answer arrives, so what is seen here is a little less than
 * the truth by that answer's way; from the sending of the request, a little more. Both are printed.
 */
import pg from 'pg'
import { type Delivered, deliver } from './delivery.js'
import type { Row, Size } from './row.js'
import { PADDING } from './server.js'
import { percentile, round } from './statistics.js'
import { startSubject } from './subject.js'

const CLIENTS = 100
const SECONDS = { default: 6, full: 20 }
/** Over HTTP also at a rate that one event at a time, acknowledged on disk, may not reach: five at a time. */
const CASES = [
  { published: 'http', rate: 100, atOnce: 1 },
  { published: 'http', rate: 500, atOnce: 5 },
  { published: 'sql', rate: 100, atOnce: 1 },
] as const

export async function latency(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const { published, rate, atOnce } of CASES) {
    const server = await startSubject()
    const pool = new pg.Pool({ connectionString: server.databaseUrl, max: 1 })
    try {
      const publish = published === 'http' ? server.publish : bySql(pool)
      const delivered = await deliver({
        server,
        clients: CLIENTS,
        rate,
        atOnce,
        seconds: SECONDS[size],
        publish,
      })
      rows.push({ published, 'events/s': rate, ...figures(delivered) })
    } finally {
      await pool.end()
      await server.close()
    }
  }
  return rows
}

function bySql(pool: pg.Pool) {
  return async (n: number) => {
    await pool.query({
      name: 'publish',
      text: `select sluice.publish('demo', 'feed', 'tick', $1::json)`,
      values: [JSON.stringify({ n, padding: PADDING })],
    })
  }
}

function figures({ deliveries, committed, requested, serverCpu }: Delivered): Row {
  return {
    clients: CLIENTS,
    deliveries,
    'commit→client p50 ms': round(percentile(committed, 50)),
    'commit→client p99 ms': round(percentile(committed, 99)),
    'request→client p50 ms': round(percentile(requested, 50)),
    'request→client p99 ms': round(percentile(requested, 99)),
    'gateway µs CPU/delivery': round((serverCpu * 1e6) / deliveries),
  }
}
