/**
 * The gateway beside the reference server of Durable Streams, in the protocol of both: appends a second, and what following by SSE costs. By
 * turns, medians of three rounds. `npm install --no-save @durable-streams/server` puts that server where it is looked for; or name the folder of
 * its node_modules in BENCH_DURABLE_STREAMS.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../src/process/package-root.js'
import { outputOf, start } from './child.js'
import { type Delivered, deliver } from './delivery.js'
import type { Row, Size } from './row.js'
import { eventsOf, type Server, serverOf } from './server.js'
import { percentile, round, sorted } from './statistics.js'
import { startSubject } from './subject.js'

const PROGRAM = fileURLToPath(new URL('./peers/durable-streams-server.js', import.meta.url))
const ROUNDS = 3
const SECONDS = { default: 4, full: 15 }
/** The reference server stores a hundred appends a second in its files: 2,000 would take most of the time. */
const WARM_UP = 400
const CLIENTS = 100
const RATE = 20
const STREAM = '/v1/stream/bench'
const JSON_TYPE = { 'content-type': 'application/json' }

interface Run {
  /** By the number of requests at a time. */
  readonly appends: ReadonlyMap<number, number>
  readonly cpuPerAppend: number
  readonly delivered: Delivered
}

export async function durableStreams(size: Size): Promise<Row[]> {
  const file = theirServer()
  if (!file)
    console.log(
      '@durable-streams/server: not measured, because it is not installed (bench/durable-streams.ts says where).',
    )
  const servers: Record<string, () => Promise<Server>> = {
    'Sluice, Postgres with fsync': startOurs,
    ...(file && {
      'reference server, files with fsync': () => startTheirs(file, true),
      'reference server, memory': () => startTheirs(file, false),
    }),
  }
  const runs = new Map<string, Run[]>()
  for (let n = 0; n < ROUNDS; n += 1) {
    for (const [name, startIt] of Object.entries(servers)) {
      const server = await startIt()
      try {
        runs.set(name, [...(runs.get(name) ?? []), await measure(server, SECONDS[size])])
      } finally {
        await server.close()
      }
    }
  }
  return [...runs].map(([server, all]) => ({ server, ...medians(all) }))
}

async function measure(server: Server, seconds: number): Promise<Run> {
  const delivered = await deliver({ server, clients: CLIENTS, rate: RATE, seconds, warmUp: WARM_UP })
  const appends = new Map<number, number>()
  let cpuPerAppend = 0
  for (const atOnce of [1, 16]) {
    const before = await server.wholeCpuSeconds()
    const stored = await appendFor(server, atOnce, seconds * 500)
    appends.set(atOnce, (stored * 2) / seconds)
    cpuPerAppend = (((await server.wholeCpuSeconds()) - before) * 1e6) / stored
  }
  return { appends, cpuPerAppend, delivered }
}

/** How many appends were stored in that time. */
async function appendFor(server: Server, atOnce: number, ms: number): Promise<number> {
  const end = performance.now() + ms
  let stored = 0
  const appendAgain = async () => {
    for (; performance.now() < end; stored += 1) await server.publish(stored)
  }
  await Promise.all(Array.from({ length: atOnce }, appendAgain))
  return stored
}

function medians(runs: readonly Run[]): Row {
  const median = (value: (run: Run) => number) => round(percentile(sorted(runs.map(value)), 50))
  return {
    'appends/s, 1 at a time': median(({ appends }) => appends.get(1) ?? 0),
    '16 at a time': median(({ appends }) => appends.get(16) ?? 0),
    'µs CPU/append, with database': median(run => run.cpuPerAppend),
    'µs CPU/delivery': median(({ delivered: { serverCpu, deliveries } }) => (serverCpu * 1e6) / deliveries),
    'with database': median(({ delivered: { wholeCpu, deliveries } }) => (wholeCpu * 1e6) / deliveries),
    'request→client p50 ms': median(({ delivered }) => percentile(delivered.requested, 50)),
    'p99 ms': median(({ delivered }) => percentile(delivered.requested, 99)),
  }
}

/** The file of the package, if it is installed. */
function theirServer(): string | undefined {
  const folder = process.env.BENCH_DURABLE_STREAMS ?? join(packageRoot, 'node_modules')
  try {
    return createRequire(join(folder, 'none.js')).resolve('@durable-streams/server')
  } catch {
    return undefined
  }
}

async function startOurs(): Promise<Server> {
  const subject = await startSubject()
  const headers = { ...JSON_TYPE, authorization: `Bearer ${subject.editor}` }
  return await created({ ...subject, ...inProtocol(subject.url, headers) }, headers)
}

async function startTheirs(file: string, isStored: boolean): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const child = start(process.execPath, [PROGRAM, file, ...(isStored ? [folder] : [])])
  const url = /http:\/\/[\w.:]+/.exec(await outputOf(child, '\n\n'))?.[0] ?? ''
  const server = serverOf({ child, url })
  // What it says about slow appends would fill the pipe.
  child.stdout?.resume()
  const close = async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  }
  return await created({ ...server, ...inProtocol(url, JSON_TYPE), close }, JSON_TYPE)
}

/** Appends and follows the stream of the bench in the protocol's form. */
function inProtocol(url: string, headers: Readonly<Record<string, string>>) {
  return {
    path: `${STREAM}?offset=now&live=sse`,
    greeting: 'streamNextOffset',
    async publish(first: number, count = 1, padding?: string) {
      const body = JSON.stringify(eventsOf(first, count, padding).map(({ data }) => data))
      const response = await fetch(`${url}${STREAM}`, { method: 'POST', headers, body })
      const answer = await response.text()
      if (!response.ok) throw new Error(`${response.status} ${answer}`)
    },
  }
}

async function created(server: Server, headers: Readonly<Record<string, string>>): Promise<Server> {
  const response = await fetch(`${server.url}${STREAM}`, { method: 'PUT', headers })
  if (response.status === 201) return server
  await server.close()
  throw new Error(`${response.status} ${await response.text()}`)
}
