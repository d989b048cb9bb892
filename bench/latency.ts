/**
 * The time of an event from its COMMIT to each client, at a steady rate: published over HTTP, and from SQL in another
 * process. The publisher knows of a COMMIT when it gets the response, so the first figure is too low by the
 * response's way; measured from the sending of the request, it is too high. The bench prints both.
 */
import pg from 'pg'
import { type Delivered, deliver } from './delivery.js'
import type { Row, Size } from './row.js'
import { PADDING } from './server.js'
import { percentile, round } from './statistics.js'
import { startSubject } from './subject.js'

const CLIENTS = 100
const SECONDS = { default: 6, full: 20 }
/** Over HTTP also at a rate that single events, each acknowledged on disk, may not reach: five at a time. */
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
