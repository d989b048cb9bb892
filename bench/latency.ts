/**
 * How long an event takes from its COMMIT to each client, at a steady rate: published over HTTP, and from SQL in
 * another process. The publisher knows a COMMIT when its answer arrives, so what is seen here is a little less than
 * the truth by that answer's way; from the sending of the request, a little more. Both are printed.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { Order, Report } from './listeners.js'
import type { Row } from './run.js'
import { now, percentile, round, sorted } from './statistics.js'
import { type Subject, startSubject } from './subject.js'

const LISTENERS = fileURLToPath(new URL('./listeners.js', import.meta.url))
const CLIENTS = 100
const RATE = 100
const EVENTS = 1_000
const WARM_UP = 100
/** With its id and name an event is about 230 bytes on the wire. */
const PADDING = 'x'.repeat(150)
const PATIENCE_MS = 10_000

type Publish = (n: number) => Promise<unknown>

export async function latency(): Promise<Row[]> {
  const rows: Row[] = []
  for (const way of ['http', 'sql'] as const) {
    const subject = await startSubject()
    const client = new pg.Client({ connectionString: subject.databaseUrl })
    await client.connect()
    try {
      rows.push({
        published: way,
        ...(await measure(subject, way === 'http' ? byHttp(subject) : bySql(client))),
      })
    } finally {
      await client.end()
      await subject.close()
    }
  }
  return rows
}

function byHttp({ url, editor }: Subject): Publish {
  const headers = { authorization: `Bearer ${editor}`, 'content-type': 'application/json' }
  return async n => {
    const body = JSON.stringify({ type: 'tick', data: { n, padding: PADDING } })
    const response = await fetch(`${url}/api/events`, { method: 'POST', headers, body })
    if (response.status !== 201) throw new Error(await response.text())
    await response.arrayBuffer()
  }
}

function bySql(client: pg.Client): Publish {
  return n =>
    client.query({
      name: 'publish',
      text: `select sluice.publish('demo', 'feed', 'tick', $1::json)`,
      values: [JSON.stringify({ n, padding: PADDING })],
    })
}

async function measure(subject: Subject, publish: Publish): Promise<Row> {
  const listeners = fork(LISTENERS)
  const reports = async () => ((await once(listeners, 'message')) as [Report])[0]
  listeners.send({ url: subject.url, token: subject.viewer, clients: CLIENTS } satisfies Order)
  await reports()

  const sent: number[] = []
  const acknowledged: number[] = []
  const cpuBefore = await subject.cpuSeconds()
  const start = performance.now()
  for (let n = 0; n < EVENTS; n += 1) {
    await pause(Math.max(0, start + (n * 1_000) / RATE - performance.now()))
    sent[n] = now()
    // One after another: the order of the events is the order of n.
    await publish(n)
    acknowledged[n] = now()
  }
  const cpu = (await subject.cpuSeconds()) - cpuBefore

  const arrivals = await collect(listeners, reports)
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
    'gateway µs CPU/delivery': round((cpu * 1e6) / (CLIENTS * EVENTS)),
  }
}

/** Asks until all has arrived, then for the arrivals themselves. */
async function collect(
  listeners: ReturnType<typeof fork>,
  reports: () => Promise<Report>,
): Promise<number[][]> {
  await pause(500)
  listeners.send('report')
  const late = setTimeout(() => listeners.kill(), PATIENCE_MS)
  const report = await reports()
  clearTimeout(late)
  if (report.kind !== 'arrivals') throw new Error('The listeners did not report.')
  if (report.fault) throw new Error(report.fault)
  const short = report.arrivals.findIndex(client => client.length !== EVENTS)
  if (short >= 0)
    throw new Error(`Client ${short} got ${report.arrivals[short]?.length} of ${EVENTS} events.`)
  return report.arrivals
}
