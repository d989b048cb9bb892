/**
 * Clients and publishers that meet a fault of Postgres, and the checker, which decides whether what they saw was right. The clients
 * come and go; the publishers, over HTTP and in SQL, never give up.
 */
import { join } from 'node:path'
import type { Test } from 'tap'
import { createPool, type Database } from '../../../src/database/pool.js'
import { recordTable } from '../../checker/recorded-table.js'
import { Recorder } from '../../checker/recorder.js'
import type { Verdict } from '../../checker/verdict.js'
import type { Tally } from '../../followers/follower.js'
import { END } from '../../followers/place.js'
import { Wanderer } from '../../followers/wanderer.js'
import { as } from '../../harness/gateway.js'
import { afterPatience } from '../../harness/patience.js'
import { seedOfRun } from '../../harness/seed.js'
import { execute } from '../../harness/server.js'
import { until } from '../../harness/until.js'
import { Random } from '../random.js'
import { publishInSql, publishOverHttp } from './stubborn-publishers.js'

const STREAMS = [
  { workspace: 'acme', stream: 'feed' },
  { workspace: 'globex', stream: 'feed' },
  { workspace: 'acme', stream: 'orders' },
] as const
/** After the last event everybody must have it within this time. */
const ARRIVAL_MS = 30_000
const STAY_MS = { least: 50, most: 2_500 } as const
const AWAY_MS = { least: 0, most: 400 } as const
/** Longer than any test. */
const FOREVER_MS = { least: 3_600_000, most: 3_600_000 } as const

export interface CrowdOptions {
  /** Of the gateways, for each connection anew: the client `n` takes the one at this place. */
  readonly origins: () => readonly string[]
  /** Where publishers in SQL connect; it may move. */
  readonly databaseUrl: () => string
  /** The faults that the test injects. */
  readonly planned: readonly string[]
  readonly clients: number
}

export interface Crowd {
  readonly recorder: Recorder
  /** Of the clients that stay until their connection breaks, so that the test can count these. */
  readonly steady: readonly Tally[]
  /** Resolves when each stream has `more` acknowledged events more than now, from over HTTP and from SQL. */
  goOn(more?: number): Promise<void>
  /** Ends publishing, waits until every client has everything that `url` stores, and judges. */
  settle(url: string, record?: (pool: Database) => Promise<void>): Promise<Verdict>
}

/** A history of a test begins with these streams. */
export async function createStreams(url: string): Promise<void> {
  for (const { workspace, stream } of STREAMS)
    await execute(url, `select sluice.ensure_stream('${workspace}', '${stream}')`)
}

export function startCrowd(t: Test, options: CrowdOptions): Crowd {
  const { planned, clients } = options
  const seed = seedOfRun()
  t.comment(`SLUICE_SEED=${seed}`)
  const random = new Random(seed)
  const recorder = new Recorder({
    path: join(t.testdir(), 'history.jsonl'),
    header: { seed, planned: [...planned] },
  })
  const wanderers = Array.from({ length: clients }, (_, n) => client(n, options, recorder, random.fork()))
  const steady = wanderers.filter((_, n) => isSteady(n)).map(each => each.options.tally)
  const stopping = new AbortController()
  const giveUp = () => wanderers.forEach(each => void each.stop())
  t.teardown(() => stopping.abort())
  t.teardown(giveUp)
  const stored = new Map<string, number>()
  const wandering = Promise.all(wanderers.map(each => each.follow()))
  const publishing = Promise.all(
    STREAMS.flatMap((target, n) => {
      const common = { target, recorder, signal: stopping.signal }
      const count = (way: string) => () => stored.set(`${way} ${n}`, (stored.get(`${way} ${n}`) ?? 0) + 1)
      const origin = () => options.origins()[n % options.origins().length] ?? ''
      return [
        publishOverHttp({
          ...common,
          origin,
          name: `http-${n}`,
          random: random.fork(),
          onStored: count('http'),
        }),
        publishInSql({
          ...common,
          url: options.databaseUrl,
          name: `sql-${n}`,
          random: random.fork(),
          onStored: count('sql'),
        }),
      ]
    }),
  )
  for (const work of [wandering, publishing]) work.catch(giveUp)

  return {
    recorder,
    steady,
    async goOn(more = 5) {
      const ways = STREAMS.flatMap((_, n) => [`http ${n}`, `sql ${n}`])
      const before = ways.map(way => stored.get(way) ?? 0)
      const grown = () => ways.every((way, at) => (stored.get(way) ?? 0) >= (before[at] ?? 0) + more)
      await Promise.race([
        until(`${more} more events of each publisher are stored`, grown, 45_000),
        publishing,
      ])
    },
    async settle(url, record) {
      stopping.abort()
      await publishing
      for (const each of wanderers) each.settle('')
      for (const { workspace, stream } of STREAMS)
        await execute(url, `select sluice.publish('${workspace}', '${stream}', '${END}', '{}')`)
      recorder.quiet()
      const callOff = afterPatience(ARRIVAL_MS, giveUp)
      await wandering
      callOff()
      const pool = createPool(url, { max: 2, name: 'test', onError: () => undefined })
      try {
        await recordTable({ pool, recorder })
        await record?.(pool)
      } finally {
        await pool.end()
      }
      return await recorder.judge()
    },
  }
}

function client(n: number, { origins }: CrowdOptions, recorder: Recorder, random: Random): Wanderer {
  const { workspace, stream } = STREAMS[n % STREAMS.length] ?? STREAMS[0]
  return new Wanderer({
    name: `${n}`,
    recorder,
    origin: () => origins()[n % origins().length] ?? '',
    workspace,
    stream,
    random,
    authorization: () => as('viewer', workspace).authorization,
    stay: isSteady(n) ? FOREVER_MS : STAY_MS,
    away: AWAY_MS,
    form: random.chance(0.3) ? 'application/x-ndjson' : 'text/event-stream',
    types: random.chance(0.3) ? ['thing.made', END] : undefined,
    from: random.chance(0.7) ? 'beginning' : 'now',
    manner: random.chance(0.1) && !isSteady(n) ? 'slow' : 'steady',
    tally: { connections: 0, refusals: 0, deliveries: 0 },
  })
}

function isSteady(n: number): boolean {
  return n % 2 === 0
}
