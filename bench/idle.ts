/**
 * The cost of a client that receives only heartbeats: memory, and the CPU of the heartbeats. Then one event to all of
 * them, and, with several workers, the end of one of them: all of its clients must come back and miss nothing.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Crowds, sumOf } from './crowds.js'
import { childrenOf, openFilesLimit } from './process-usage.js'
import type { Row, Size } from './row.js'
import { eventsOf } from './server.js'
import { now, percentile, round, sorted } from './statistics.js'
import { type Subject, startSubject } from './subject.js'

const CLIENTS = { default: [1_000, 10_000], full: [1_000, 10_000, 100_000] }
/** At least as many workers as the largest crowd has; more if a process may not have that many files open. */
const WORKERS = 2
/** Above this number the gateway has several workers. */
const MOST_OF_ONE = 20_000
/** The kernel gives the workers unequal shares of the connections. */
const LARGEST_SHARE = 1.4
/** Clients before the first measurement of memory, so that everything allocated once exists by then. */
const WARM_UP_CLIENTS = 200
const HEARTBEAT_MS = 5_000
/** The default of the gateway, with which the largest crowd is measured. */
const DEFAULT_HEARTBEAT_MS = 30_000
/** Meanwhile the garbage of the start and of the connections is collected. */
const SETTLE_MS = 15_000
/** Files that a process has open in addition to its clients. */
const OTHER_FILES = 200
/** Without clients the gateway is measured for so long. */
const BASE_MS = 10_000
/** Until a publish must have succeeded after the end of a worker. */
const PUBLISH_MS = 30_000
/** The numbers of clients to be measured, such as `100000`; default: those of the size. */
const WANTED = process.env.BENCH_IDLE?.split(',').map(Number)

export async function idle(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  const limit = (await openFilesLimit()) - OTHER_FILES
  for (const wanted of WANTED ?? CLIENTS[size]) {
    if (wanted <= MOST_OF_ONE) {
      const clients = Math.min(wanted, limit)
      if (clients < wanted) console.log(`${wanted} clients: ${clients}, as many as files may be open here.`)
      rows.push(await measured(clients, 1, limit))
    } else {
      const needed = Math.ceil((wanted * LARGEST_SHARE) / limit)
      rows.push(await measured(wanted, Math.max(WORKERS, needed), limit))
    }
  }
  return rows
}

async function measured(clients: number, workers: number, limit: number): Promise<Row> {
  const heartbeatMs = workers === 1 ? HEARTBEAT_MS : DEFAULT_HEARTBEAT_MS
  const measuredMs = 2 * heartbeatMs
  const subject = await startSubject({
    env: {
      HEARTBEAT_MS: String(heartbeatMs),
      ...(workers > 1 && { WORKERS: String(workers), DATABASE_POOL: '4' }),
    },
    settings: { max_connections: String(100 + 20 * workers) },
    workers,
  })
  const crowds = new Crowds(limit)
  try {
    await crowds.open(WARM_UP_CLIENTS, { server: subject, returns: true })
    await pause(SETTLE_MS)
    const baseCpu = await cpuShare(subject, BASE_MS)
    const before = await subject.residentBytes()
    await crowds.open(clients - WARM_UP_CLIENTS, { server: subject, returns: true })
    const connected = await subject.residentBytes()
    await pause(SETTLE_MS)

    const heardBefore = sumOf(await crowds.reports(), 'heartbeats')
    const cpu = await cpuShare(subject, measuredMs)
    const heard = sumOf(await crowds.reports(), 'heartbeats') - heardBefore
    const after = await subject.residentBytes()
    const due = (clients * measuredMs) / heartbeatMs
    if (heard < 0.7 * due) throw new Error(`${heard} heartbeats were heard of about ${due}.`)
    const perClient = (bytes: number) => round((bytes - before) / (clients - WARM_UP_CLIENTS) / 1_000)
    return {
      clients,
      workers,
      'KB/client when connected': perClient(connected),
      'KB/client afterwards': perClient(after),
      'RSS MB': Math.round(after / 1e6),
      heartbeats: heard,
      'µs CPU/heartbeat': round(((cpu - baseCpu) * measuredMs * 1e3) / heard),
      '% of a core': round(100 * cpu),
      'without clients': round(100 * baseCpu),
      ...(await oneEvent(subject, crowds)),
      ...(await oneWorkerLess(subject, crowds, workers)),
    }
  } finally {
    await crowds.close()
    await subject.close()
  }
}

/** The share of a core that the gateway uses within this time. */
async function cpuShare(subject: Subject, ms: number): Promise<number> {
  const before = await subject.cpuSeconds()
  await pause(ms)
  return ((await subject.cpuSeconds()) - before) / (ms / 1_000)
}

/** Milliseconds from the request of a publish until the last client has its event: the median of three. */
async function oneEvent(subject: Subject, crowds: Crowds): Promise<Row> {
  const times: number[] = []
  for (const n of [0, 1, 2]) {
    const start = now()
    await subject.publish(n)
    const reports = await crowds.reached(n + 1)
    times.push((Math.max(...reports.map(({ at }) => at)) - start) / 1e6)
  }
  return { 'event to all, ms': round(percentile(sorted(times), 50)) }
}

/** Ends a worker like a crash, and publishes meanwhile; resolves when every client has every event. */
async function oneWorkerLess(subject: Subject, crowds: Crowds, workers: number): Promise<Row> {
  if (workers === 1) return { 'came back': '', 'all back after, s': '' }
  const [worker] = await childrenOf(subject.pid)
  if (worker === undefined) throw new Error('The gateway has no workers.')
  const start = now()
  process.kill(worker, 'SIGKILL')
  await publishSurely(subject, 3)
  await publishSurely(subject, 4)
  const reports = await crowds.reached(5)
  const last = Math.max(...reports.map(({ at }) => at))
  return { 'came back': sumOf(reports, 'returned'), 'all back after, s': round((last - start) / 1e9) }
}

/** With a key: the first attempt may use a connection to the worker that has ended. */
async function publishSurely({ url, path, editor }: Subject, n: number): Promise<void> {
  const headers = {
    authorization: `Bearer ${editor}`,
    'content-type': 'application/json',
    'idempotency-key': `event-${n}`,
  }
  const body = JSON.stringify(eventsOf(n, 1)[0])
  for (const deadline = performance.now() + PUBLISH_MS; ; await pause(50)) {
    try {
      const response = await fetch(`${url}${path}`, { method: 'POST', headers, body })
      const answer = await response.text()
      if (response.ok) return
      throw new Error(`${response.status} ${answer}`)
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
  }
}
