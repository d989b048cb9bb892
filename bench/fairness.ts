/**
 * How other streams affect the clients of a quiet stream: 100 clients get an event every 50 ms, and beside them, in
 * another workspace, runs a stream of 10,000 events/s, a job of 50 MB that is written and followed or read from its
 * beginning, or a client that reads a long log. The quiet events are published from SQL: a response of the gateway
 * would itself wait for what the bench measures. The producers and readers of the noise must not miss anything
 * either.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { stop, watch } from './child.js'
import { Crowd } from './crowd.js'
import type { Report } from './listeners.js'
import type { NoiseOrder } from './noise.js'
import type { Row, Size } from './row.js'
import { seed, withClient } from './seed.js'
import { PADDING } from './server.js'
import { now, percentile, round } from './statistics.js'
import { type Subject, startSubject, tokenOf } from './subject.js'

const NOISE = fileURLToPath(new URL('./noise.js', import.meta.url))
const CLIENTS = 100
const EVENT_MS = 50
/** Duration of noise that does not end by itself; the first one also warms up the measured code. */
const SECONDS = { default: 6, full: 20 }
const WARM_UP_MS = 2_000
const JOB_TEXT = 'x'.repeat(200)
const JOB_LINES = (50 * 1024 * 1024) / JOB_TEXT.length
const LOG_EVENTS = 200_000
/** The bench notices a fault of a noise process by its silence. */
const PATIENCE_MS = 180_000

/** One kind of noise: resolves with the total number of events that its readers received. */
type Noise = (subject: Subject, lasting: Promise<unknown>) => Promise<number>

export async function fairness(size: Size): Promise<Row[]> {
  const subject = await startSubject({ turns: true })
  const quiet = new Crowd()
  const rows: Row[] = []
  try {
    await seed(subject.databaseUrl, { workspace: 'long', events: LOG_EVENTS })
    const job = await createJob(subject)
    await quiet.open(CLIENTS, { server: subject })
    await withClient(subject.databaseUrl, async client => {
      const acknowledged: number[] = []
      const measure = async (beside: string, noise: Noise) => {
        const first = acknowledged.length
        await subject.turns()
        const cpuBefore = await subject.cpuSeconds()
        const began = performance.now()
        const over = noise(subject, pause(SECONDS[size] * 1_000))
        const events = await publishDuring(client, acknowledged, over)
        const seconds = (performance.now() - began) / 1_000
        const cpu = (await subject.cpuSeconds()) - cpuBefore
        const turns = await subject.turns()
        await quiet.reached(acknowledged.length)
        const { delays } = await quiet.report(acknowledged.map((at, n) => (n < first ? Number.NaN : at)))
        const [samples = []] = delays
        rows.push({
          beside,
          'quiet samples': samples.length,
          'commit→client p50 ms': round(percentile(samples, 50)),
          'p99 ms': round(percentile(samples, 99)),
          'max ms': round(percentile(samples, 100)),
          'longest turn ms': round(turns.longest),
          'most CPU of a turn ms': round(turns.mostCpu),
          'gateway CPU/s': round(cpu / seconds),
          'noise events/s': round(events / seconds),
        })
      }
      await publishDuring(client, acknowledged, pause(WARM_UP_MS))
      await measure('nothing', (_, lasting) => lasting.then(() => 0))
      await measure('10,000 events/s to 20', busy('busy-20', 20, 10_000))
      await measure('10,000 events/s to 200', busy('busy-200', 200, 10_000))
      await measure('a job of 50 MB, followed by 5', written(job, 5))
      await measure('the job from its beginning, by 10', replayed(job, 10))
      await measure('a log of 200,000 events, by 1', logged)
    })
    return rows
  } finally {
    await quiet.close()
    await subject.close()
  }
}

/** Records the time at which each COMMIT was known. */
async function publishDuring<T>(client: pg.Client, acknowledged: number[], work: Promise<T>): Promise<T> {
  let over = false
  const end = work.finally(() => {
    over = true
  })
  const begin = performance.now()
  for (let count = 0; !over; count += 1) {
    await client.query({
      name: 'publish',
      text: `select sluice.publish('demo', 'feed', 'tick', $1::json)`,
      values: [JSON.stringify({ n: acknowledged.length, padding: PADDING })],
    })
    acknowledged.push(now())
    await pause(Math.max(0, begin + count * EVENT_MS - performance.now()))
  }
  return end
}

function busy(workspace: string, clients: number, eventsPerSecond: number): Noise {
  return async (subject, lasting) => {
    const server = { ...subject, viewer: tokenOf(workspace, 'viewer') }
    return withCrowd(async crowd => {
      await crowd.open(clients, { server, notes: false })
      const order = { url: `${subject.url}/api/events`, token: tokenOf(workspace, 'editor') }
      const events = await produce({ kind: 'feed', ...order, eventsPerSecond }, lasting)
      return (await crowd.reached(events)).events
    })
  }
}

function written(path: string, clients: number): Noise {
  return followed(path, clients, async ({ url }, crowd) => {
    const job = { url: `${url}${path}`, token: tokenOf('job', 'editor') }
    const lines = await produce({ kind: 'output', ...job, lines: JOB_LINES, text: JOB_TEXT })
    return crowd.reached(lines)
  })
}

function replayed(path: string, clients: number): Noise {
  return followed(path, clients, (_, crowd) => crowd.reached(JOB_LINES))
}

/** While clients follow a job. */
function followed(
  path: string,
  clients: number,
  work: (subject: Subject, crowd: Crowd) => Promise<Report>,
): Noise {
  return async subject =>
    withCrowd(async crowd => {
      const server = { ...subject, path, viewer: tokenOf('job', 'viewer') }
      await crowd.open(clients, { server, notes: false })
      return (await work(subject, crowd)).events
    })
}

const logged: Noise = async subject =>
  withCrowd(async crowd => {
    const server = { ...subject, path: '/api/events?from=beginning', viewer: tokenOf('long', 'viewer') }
    await crowd.open(1, { server, notes: false })
    return (await crowd.reached(LOG_EVENTS)).events
  })

async function withCrowd<T>(work: (crowd: Crowd) => Promise<T>): Promise<T> {
  const crowd = new Crowd()
  try {
    return await work(crowd)
  } finally {
    await crowd.close()
  }
}

/** @returns the number of stored events. */
async function produce(order: NoiseOrder, until?: Promise<unknown>): Promise<number> {
  const child = watch(fork(NOISE))
  try {
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`A producer ended with ${code}.`)
    })
    const made = once(child, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
    child.send(order)
    if (until) {
      await until
      child.send({ kind: 'stop' } satisfies NoiseOrder)
    }
    const [events] = await Promise.race([made, failed])
    return events
  } finally {
    await stop(child, 'SIGKILL')
  }
}

/** @returns the path of its events. */
async function createJob({ url }: Subject): Promise<string> {
  const headers = {
    authorization: `Bearer ${tokenOf('job', 'editor')}`,
    'content-type': 'application/json',
  }
  const body = JSON.stringify({ kind: 'command', started: true })
  const response = await fetch(`${url}/api/jobs`, { method: 'POST', headers, body })
  const { id } = (await response.json()) as { id: string }
  return `/api/jobs/${id}/events`
}
