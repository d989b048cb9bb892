/**
 * The load of a run: clients of several kinds in processes of their own, publishers in another, and jobs, consumers and webhooks in
 * a third. Each process writes a part of the history. The load goes on through every fault; when all is healed, each client gets the
 * last event of its stream, or is named.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createPool } from '../../../src/database/pool.js'
import type { Position } from '../../../src/log/event.js'
import { formatEventId } from '../../../src/log/event-id.js'
import type { Recorder } from '../../checker/recorder.js'
import { Random } from '../../end-to-end/random.js'
import type { FollowersReport, Tally } from '../../followers/follower.js'
import { END, nameOf, type Place } from '../../followers/place.js'
import { patient } from '../../harness/patience.js'
import { until } from '../../harness/until.js'
import { Child } from './child.js'
import { PRINCIPALS_BY_WORKSPACE, populate } from './population.js'
import type { PublishCounts } from './publisher.js'
import type { PublishersOrder, PublishersReport } from './publishers.js'
import type { ReadersOrder } from './readers.js'
import { createTable } from './sql-publisher.js'
import { STREAMS } from './streams.js'
import type { WorkersOrder, WorkersReport } from './workers.js'

/** So many in one process, so that it is never busy with itself. */
const CLIENTS_PER_PROCESS = 500
const LEAST_PROCESSES = 2
const CLIENTS_PER_SECOND = 200
const EVENTS_PER_SECOND = 28
const JOBS_PER_SECOND = 1
/** Without a byte for so many heartbeats, a client gives its connection up. */
const SILENT_HEARTBEATS = 2.5
/** All clients must have the last event when nothing has come for so long. */
const PROGRESS_MS = 45_000
const STOP_MS = 120_000
const READY_MS = 30_000
const LOOK_MS = 250

export interface LoadOptions {
  /** Of nginx. */
  readonly httpUrl: string
  /** For publishers in SQL. */
  readonly databaseUrl: string
  /** Of the process that injects faults. */
  readonly recorder: Recorder
  /** For the files of the other processes. */
  readonly folder: string
  readonly seed: number
  readonly clients: number
  /** Of the gateways. */
  readonly heartbeatMs: number
  /** Of all streams together. Default 28. */
  readonly eventsPerSecond?: number
}

export interface LoadCounts extends Tally {
  readonly clients: number
  /** Of them, those that have the last event. */
  readonly done: number
  readonly published: PublishCounts
}

export interface Load {
  /** The parts of the history that the other processes write. They are whole after `stop`. */
  readonly files: readonly string[]
  /** `<workspace>/<stream>`. */
  readonly streams: readonly string[]
  /** Principals of clients. A client whose token was revoked goes on with a new one. */
  readonly revocable: typeof PRINCIPALS_BY_WORKSPACE
  counts(): LoadCounts
  /** So many clients bring an id that they have made up, once. Records the fault `forged-id`. */
  forge(count: number): void
  /** Resolves when each publish has its outcome, and each job its end. */
  stopPublishing(): Promise<void>
  /**
   * Call it when all is healed and nothing is published: publishes the last event of each stream.
   * @returns the clients that do not have everything although they had the time, with their places.
   */
  settle(): Promise<readonly string[]>
  /** Ends all processes, which then have written their files. */
  stop(): Promise<void>
}

export async function startLoad(options: LoadOptions): Promise<Load> {
  const { httpUrl: origin, databaseUrl, folder, seed, clients, heartbeatMs, recorder } = options
  const random = new Random(seed)
  await prepare(databaseUrl)
  const silenceMs = patient(heartbeatMs * SILENT_HEARTBEATS)
  // They are created before the others need the gateways.
  const workers = new Child<WorkersOrder, WorkersReport>('./workers.js')
  const workersPath = join(folder, 'workers.jsonl')
  workers.send({
    kind: 'start',
    origin,
    databaseUrl,
    path: workersPath,
    seed: random.between(0, 0x7fffffff),
    silenceMs,
    jobsPerSecond: JOBS_PER_SECOND,
  })
  await until(
    'consumers and webhooks are created',
    () => workers.check() ?? workers.report?.isReady === true,
    READY_MS,
  )
  const plans = populate(random, clients)
  const count = Math.max(LEAST_PROCESSES, Math.ceil(clients / CLIENTS_PER_PROCESS))
  const readers = Array.from({ length: count }, (_, n) => {
    const child = new Child<ReadersOrder, FollowersReport>('./readers.js')
    const path = join(folder, `clients-${n}.jsonl`)
    const own = plans.filter((_, place) => place % count === n)
    const withinMs = (clients / CLIENTS_PER_SECOND) * 1_000
    child.send({ kind: 'start', plans: own, origin, path, silenceMs, withinMs })
    return { child, path }
  })
  const publishers = new Child<PublishersOrder, PublishersReport>('./publishers.js')
  const publishersPath = join(folder, 'publishers.jsonl')
  publishers.send({
    kind: 'start',
    origin,
    databaseUrl,
    path: publishersPath,
    seed: random.between(0, 0x7fffffff),
    eventsPerSecond: options.eventsPerSecond ?? EVENTS_PER_SECOND,
  })
  const children = readers.map(({ child }) => child)
  const check = () => {
    for (const child of [...children, publishers, workers]) child.check()
  }
  const missing = () => [...children, workers].flatMap(({ report }) => report?.missing ?? [])

  return {
    files: [...readers.map(({ path }) => path), publishersPath, workersPath],
    streams: STREAMS.map(nameOf),
    revocable: PRINCIPALS_BY_WORKSPACE,
    counts() {
      check()
      return countsOf([...children, workers], publishers.report)
    },
    async stopPublishing() {
      publishers.send({ kind: 'stop' })
      workers.send({ kind: 'stop' })
      await until('each publish has its outcome', () => isStopped(publishers), STOP_MS)
      await until('each job has ended', () => isStopped(workers), STOP_MS)
    },
    async settle() {
      const last: Record<string, string> = {}
      for (const place of STREAMS) last[nameOf(place)] = await publishLast(databaseUrl, place, recorder)
      for (const child of [...children, workers]) child.send({ kind: 'settle', last })
      let progress = { at: performance.now(), deliveries: -1 }
      for (;;) {
        check()
        const { done, clients: all, deliveries } = countsOf([...children, workers], publishers.report)
        if (done === all) return []
        if (deliveries !== progress.deliveries) progress = { at: performance.now(), deliveries }
        else if (performance.now() - progress.at > patient(PROGRESS_MS)) return missing()
        await pause(LOOK_MS)
      }
    },
    async stop() {
      await Promise.all([...children, publishers, workers].map(child => child.end({ kind: 'end' })))
    },
    forge(count) {
      for (const stream of STREAMS) recorder.fault('forged-id', nameOf(stream))
      for (const [n, child] of children.entries())
        child.send({
          kind: 'forge',
          count: Math.ceil((count - n) / children.length),
          seed: random.between(0, 0x7fffffff),
        })
    },
  }
}

function isStopped(child: Child<never, { readonly isStopped: boolean }>): boolean {
  child.check()
  return child.report?.isStopped === true
}

function countsOf(
  children: readonly Child<never, FollowersReport>[],
  published: PublishersReport | undefined,
): LoadCounts {
  const sum = (count: 'clients' | 'done' | 'connections' | 'refusals' | 'deliveries') =>
    children.reduce((total, { report }) => total + (report?.[count] ?? 0), 0)
  const { acknowledged = 0, failed = 0, unknown = 0 } = published ?? {}
  return {
    clients: sum('clients'),
    done: sum('done'),
    connections: sum('connections'),
    refusals: sum('refusals'),
    deliveries: sum('deliveries'),
    published: { acknowledged, failed, unknown },
  }
}

async function prepare(databaseUrl: string): Promise<void> {
  const pool = createPool(databaseUrl, { max: 1, name: 'load', onError: () => undefined })
  for (const { workspace, stream } of STREAMS)
    await pool.query('select sluice.ensure_stream($1, $2)', [workspace, stream])
  await createTable(pool)
  await pool.end()
}

/** @returns its id. */
async function publishLast(databaseUrl: string, place: Place, recorder: Recorder): Promise<string> {
  const { workspace, stream } = place
  const mark = `end-${nameOf(place)}`
  const publish = recorder.publish(mark, [{ stream: nameOf(place), mark }])
  const pool = createPool(databaseUrl, { max: 1, name: 'load', onError: () => undefined })
  await pool.query('select sluice.publish($1, $2, $3, $4)', [
    workspace,
    stream,
    END,
    JSON.stringify({ n: 9, marker: mark }),
  ])
  publish.acknowledged()
  const { rows } = await pool.query<{ position: Position; uuid: string }>(
    `select e."position", e.event_id as uuid from sluice.events e join sluice.streams s on s.id = e.stream_id
      where s.workspace = $1 and s.name = $2 order by e."position" desc limit 1`,
    [workspace, stream],
  )
  await pool.end()
  const [event] = rows
  if (!event) throw new Error(`${mark} was acknowledged, and ${nameOf(place)} has no event.`)
  return formatEventId(event.position, event.uuid)
}
