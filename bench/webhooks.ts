/**
 * The cost of webhooks: events in a burst to 1, 100 and 1,000 endpoints, then at a steady rate; the same beside failing endpoints that
 * are far behind; and these when their receivers work again. Receivers answer at once, and check that each endpoint gets each event
 * once, and in order if it is ordered.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Receivers } from './receivers.js'
import type { Row, Size } from './row.js'
import { seed } from './seed.js'
import { now, percentile, round, sorted } from './statistics.js'
import { type Subject, startSubject } from './subject.js'

interface Cell {
  readonly endpoints: number
  readonly order: 'ordered' | 'parallel'
  /** Events of the burst, to each endpoint. */
  readonly burst: Readonly<Record<Size, number>>
  /** Before it, until the code is compiled. */
  readonly warmUp: number
  /** Events per second afterwards. */
  readonly rate: number
  /** Whether other endpoints are behind meanwhile. */
  readonly beside?: true
}

const CELLS: readonly Cell[] = [
  { endpoints: 1, order: 'ordered', burst: { default: 2_000, full: 10_000 }, warmUp: 2_000, rate: 50 },
  { endpoints: 1, order: 'parallel', burst: { default: 10_000, full: 50_000 }, warmUp: 2_000, rate: 50 },
  { endpoints: 100, order: 'ordered', burst: { default: 100, full: 500 }, warmUp: 20, rate: 5 },
  { endpoints: 1_000, order: 'ordered', burst: { default: 10, full: 50 }, warmUp: 2, rate: 0.5 },
  { endpoints: 100, order: 'ordered', burst: { default: 100, full: 500 }, warmUp: 20, rate: 5, beside: true },
]
const SECONDS = { default: 6, full: 20 }
const POST_EVENTS = 100
/** Endpoints that are behind, and how far each is. */
const BEHIND = { endpoints: 10, workspace: 'behind', events: { default: 100_000, full: 1_000_000 } }
const env = { WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' }

export async function webhooks(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const cell of CELLS)
    rows.push(await withSubject(cell.beside ? size : undefined, s => measure(s, cell, size)))
  rows.push(await withSubject(size, (subject, behind) => measureDrain(subject, behind, size)))
  return rows
}

/** @param size undefined: no endpoints are behind. */
async function withSubject(
  size: Size | undefined,
  work: (subject: Subject, behind: Receivers) => Promise<Row>,
): Promise<Row> {
  const subject = await startSubject({ env })
  const behind = new Receivers()
  try {
    if (size) await fallBehind(subject, behind, BEHIND.events[size])
    return await work(subject, behind)
  } finally {
    await behind.close()
    await subject.close()
  }
}

async function fallBehind(subject: Subject, behind: Receivers, events: number): Promise<void> {
  const { workspace, endpoints: count } = BEHIND
  await seed(subject.databaseUrl, { workspace, events })
  await behind.answer(500)
  await behind.create(subject, { workspace, count, order: 'ordered', start: 'beginning' })
  while ((await behind.report()).refused < count) await pause(100)
}

async function measure(subject: Subject, cell: Cell, size: Size): Promise<Row> {
  const { endpoints, order, warmUp, rate, burst, beside } = cell
  const receivers = new Receivers()
  let published = 0
  const publish = async (count: number) => {
    for (let left = count; left > 0; left -= POST_EVENTS) {
      const some = Math.min(left, POST_EVENTS)
      await subject.publish(published, some)
      published += some
    }
  }
  try {
    await seed(subject.databaseUrl, { workspace: 'demo', events: 0 })
    await receivers.create(subject, { workspace: 'demo', count: endpoints, order, start: 'now' })
    await publish(warmUp)
    await receivers.accepted(published * endpoints)

    const before = await usageOf(subject)
    const { cpuSeconds: receiverBefore } = await receivers.report()
    const began = now()
    await publish(burst[size])
    const { lastAt, cpuSeconds: receiverAfter } = await receivers.accepted(published * endpoints)
    const after = await usageOf(subject)
    const seconds = (lastAt - began) / 1e9
    const deliveries = burst[size] * endpoints

    await receivers.report()
    const committed: number[] = []
    const steady = performance.now()
    for (let n = 0; n < rate * SECONDS[size]; n += 1) {
      await publish(1)
      committed[published - 1] = now()
      await pause(Math.max(0, steady + ((n + 1) * 1_000) / rate - performance.now()))
    }
    await receivers.accepted(published * endpoints)
    const { events, arrivals } = await receivers.report()
    if (events !== published * endpoints)
      throw new Error(`${published * endpoints} events were sent, and ${events} accepted.`)
    const delays = sorted(arrivals.map(([n, at]) => (at - (committed[n] ?? Number.NaN)) / 1e6))
    return {
      endpoints,
      order,
      'undelivered of others': beside ? BEHIND.events[size] * BEHIND.endpoints : 0,
      'deliveries/s': round(deliveries / seconds),
      'gateway µs CPU/delivery': round(((after.gateway - before.gateway) * 1e6) / deliveries),
      'database µs CPU/delivery': round(((after.database - before.database) * 1e6) / deliveries),
      'receivers’ CPU %': Math.round(((receiverAfter - receiverBefore) / seconds) * 100),
      'commit→receiver p50 ms': round(percentile(delays, 50)),
      'p99 ms': round(percentile(delays, 99)),
      'RSS MB': Math.round((await subject.residentBytes()) / 1e6),
    }
  } finally {
    await receivers.close()
  }
}

/** The receivers that have failed accept everything now. Measured for a time, because the whole would take long. */
async function measureDrain(subject: Subject, behind: Receivers, size: Size): Promise<Row> {
  await behind.answer(200)
  const { events: first } = await behind.accepted(1_000)
  const before = await usageOf(subject)
  const { cpuSeconds: receiverBefore } = await behind.report()
  const began = performance.now()
  await pause(SECONDS[size] * 1_000)
  const { events, cpuSeconds } = await behind.report()
  const seconds = (performance.now() - began) / 1_000
  const after = await usageOf(subject)
  const deliveries = events - first
  return {
    endpoints: BEHIND.endpoints,
    order: 'ordered',
    'undelivered of others': `${BEHIND.events[size] * BEHIND.endpoints} of its own`,
    'deliveries/s': round(deliveries / seconds),
    'gateway µs CPU/delivery': round(((after.gateway - before.gateway) * 1e6) / deliveries),
    'database µs CPU/delivery': round(((after.database - before.database) * 1e6) / deliveries),
    'receivers’ CPU %': Math.round(((cpuSeconds - receiverBefore) / seconds) * 100),
    'commit→receiver p50 ms': '',
    'p99 ms': '',
    'RSS MB': Math.round((await subject.residentBytes()) / 1e6),
  }
}

async function usageOf(subject: Subject): Promise<{ gateway: number; database: number }> {
  const gateway = await subject.cpuSeconds()
  return { gateway, database: (await subject.wholeCpuSeconds()) - gateway }
}
