/**
 * How long an event takes from its COMMIT to each client, at a steady rate: published over HTTP, and from SQL in
 * another process. The publisher knows a COMMIT when its answer arrives, so what is seen here is a little less than
 * the truth by that answer's way; from the sending of the request, a little more. Both are printed.
 */
import pg from 'pg'
import { type Delivered, deliver } from './delivery.js'
import type { Row } from './run.js'
import { percentile, round, sorted } from './statistics.js'
import { PADDING, startSubject } from './subject.js'

const CLIENTS = 100
const RATE = 100
const EVENTS = 1_000
const WARM_UP = 100

export async function latency(): Promise<Row[]> {
  const rows: Row[] = []
  for (const way of ['http', 'sql'] as const) {
    const server = await startSubject()
    const client = new pg.Client({ connectionString: server.databaseUrl })
    await client.connect()
    try {
      const publish = way === 'http' ? server.publish : bySql(client)
      rows.push({
        published: way,
        ...figures(await deliver({ server, clients: CLIENTS, rate: RATE, events: EVENTS, publish })),
      })
    } finally {
      await client.end()
      await server.close()
    }
  }
  return rows
}

function bySql(client: pg.Client) {
  return (n: number) =>
    client.query({
      name: 'publish',
      text: `select sluice.publish('demo', 'feed', 'tick', $1::json)`,
      values: [JSON.stringify({ n, padding: PADDING })],
    })
}

function figures({ arrivals, sent, acknowledged, serverCpu }: Delivered): Row {
  const samples = (from: readonly number[]) =>
    sorted(arrivals.flatMap(client => client.map((at, n) => (at - (from[n] ?? 0)) / 1e6).slice(WARM_UP)))
  const committed = samples(acknowledged)
  const requested = samples(sent)
  return {
    clients: CLIENTS,
    'events/s': RATE,
    deliveries: CLIENTS * EVENTS,
    'commit→client p50 ms': round(percentile(committed, 50)),
    'commit→client p99 ms': round(percentile(committed, 99)),
    'request→client p50 ms': round(percentile(requested, 50)),
    'request→client p99 ms': round(percentile(requested, 99)),
    'gateway µs CPU/delivery': round((serverCpu * 1e6) / (CLIENTS * EVENTS)),
  }
}
