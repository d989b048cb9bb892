/** One run: a world, a load, a nemesis; then all is healed, everything arrives, and the checker decides. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createPool, type Database } from '../../src/database/pool.js'
import type { Position } from '../../src/log/event.js'
import type { EntryOf } from '../checker/history.js'
import { idsOf, lostRows, removedRows } from '../checker/kept-rows.js'
import { recordTable } from '../checker/recorded-table.js'
import { Recorder } from '../checker/recorder.js'
import type { Verdict } from '../checker/verdict.js'
import { Random } from '../end-to-end/random.js'
import { FORMS } from '../followers/forms.js'
import { patient } from '../harness/patience.js'
import type { Fault } from './fault.js'
import { FAULTS } from './faults/all.js'
import { type LoadCounts, startLoad } from './load/load.js'
import { type Chronicle, type Injection, Nemesis } from './nemesis.js'
import { Samples } from './samples.js'
import { Scope } from './scope.js'
import { Sentinel } from './sentinel.js'
import { startWorld, type World } from './world.js'

/** Runs that are shorter have the short plan, and faults that last as briefly as they may. */
const LONG_MINUTES = 5
const HEARTBEAT_MS = { brief: 1_000, long: 5_000 } as const
const SAMPLE_EVERY_MS = 15_000
const READY_MS = 60_000

export interface RunOptions {
  readonly seed: number
  readonly minutes: number
  /** Faults are injected until so many events have arrived at clients, even if that takes longer. */
  readonly leastDeliveries: number
  readonly clients: number
  /** Of the files of the history. */
  readonly folder: string
  readonly eventsPerSecond?: number | undefined
  /** Only these faults. Default: the plan for a run of so many minutes. */
  readonly faults?: readonly string[] | undefined
  readonly say?: (line: string) => void
}

export interface Outcome {
  readonly options: RunOptions
  readonly verdict: Verdict
  readonly injections: readonly Injection[]
  readonly counts: LoadCounts
  readonly milliseconds: number
  /** Besides what the checker has found: what did not recover, clients without the last event, faults in the logs of gateways. */
  readonly anomalies: readonly string[]
}

/** @throws {Error} when the run cannot be made, which says nothing about the product. */
export async function runChaos(options: RunOptions): Promise<Outcome> {
  const scope = new Scope()
  try {
    return await run(scope, options)
  } finally {
    await scope.close()
  }
}

export function planOf({ minutes, faults }: Pick<RunOptions, 'minutes' | 'faults'>): readonly Fault[] {
  if (!faults) return FAULTS.filter(({ isShort }) => isShort || minutes >= LONG_MINUTES)
  return faults.map(name => {
    const fault = FAULTS.find(each => each.name === name)
    if (!fault)
      throw new Error(`There is no fault "${name}". There are: ${FAULTS.map(each => each.name).join(', ')}.`)
    return fault
  })
}

async function run(scope: Scope, options: RunOptions): Promise<Outcome> {
  const { seed, minutes, leastDeliveries, clients, folder, eventsPerSecond, say = () => {} } = options
  const plan = planOf(options)
  const isBrief = minutes < LONG_MINUTES
  const heartbeatMs = isBrief ? HEARTBEAT_MS.brief : HEARTBEAT_MS.long
  const random = new Random(seed)
  const anomalies: string[] = []
  await mkdir(folder, { recursive: true })
  const begun = performance.now()

  const world = await startWorld(scope, { heartbeatMs, isBrief })
  const header = { seed, planned: plan.map(({ name }) => name) }
  const recorder = new Recorder({ path: join(folder, 'history.jsonl'), header })
  const sentinel = new Sentinel(world, heartbeatMs)
  scope.teardown(() => sentinel.stop())
  await sentinel.start()
  await sentinel.recovery(patient(READY_MS))
  const samples = new Samples(world, recorder)
  await samples.base()
  const { publishersUrl: databaseUrl, nginx } = world
  const load = await startLoad({
    httpUrl: nginx.url,
    databaseUrl,
    recorder,
    folder,
    seed: random.between(0, 0x7fffffff),
    clients,
    heartbeatMs,
    ...(eventsPerSecond !== undefined && { eventsPerSecond }),
  })
  scope.teardown(() => load.stop())
  say(`${seconds(begun)}: the load runs: ${clients} clients`)

  const keeping = keepersOf(world, recorder)
  const nemesis = new Nemesis({
    plan,
    random: random.fork(),
    sentinel,
    chronicle: chronicleOf(recorder, line => say(`${seconds(begun)}: ${line}`)),
    scene: { world, load, random, ...keeping },
    isBrief,
  })
  const sampling = setInterval(() => void samples.load().catch(() => undefined), SAMPLE_EVERY_MS)
  const end = performance.now() + minutes * 60_000
  await nemesis
    .rage(() => performance.now() >= end && load.counts().deliveries >= leastDeliveries)
    .catch(error => anomalies.push(String(error.message)))
    .finally(() => clearInterval(sampling))
  anomalies.push(...nemesis.failures)

  say(`${seconds(begun)}: all is healed`)
  await load.stopPublishing()
  recorder.quiet()
  const missing = await load.settle()
  anomalies.push(...missing.map(name => `${name} did not get everything in time`))
  const counts = load.counts()
  say(`${seconds(begun)}: everything has arrived: ${JSON.stringify(counts)}`)
  await load.stop()
  // It keeps its connections to gateways for a minute.
  await nginx.kill()
  await samples.end()
  await withPool(world.databases.url, pool => recordTable({ pool, recorder, forms: FORMS }))
  for (const gateway of world.gateways) await gateway.stop()
  anomalies.push(...world.gateways.flatMap(({ faults }) => faults))
  const milliseconds = Math.round(performance.now() - begun)
  // They are known even if the history cannot be judged.
  for (const anomaly of anomalies) say(anomaly)
  const verdict = await recorder.judge(...load.files)
  say(`${seconds(begun)}: checked`)
  return { options, verdict, injections: nemesis.injections, counts, milliseconds, anomalies }
}

function chronicleOf(recorder: Recorder, say: (line: string) => void): Chronicle {
  const names = ({ name, causes, recordsItself }: Fault) => (recordsItself ? causes : [name, ...causes])
  return {
    began(fault) {
      say(fault.name)
      for (const name of names(fault)) recorder.fault(name)
    },
    ended(fault) {
      say(`${fault.name} is over`)
    },
    recovered(fault) {
      for (const name of names(fault)) recorder.healed(name)
    },
  }
}

/** Those that record what the table will not have at the end. */
function keepersOf({ databases }: World, recorder: Recorder) {
  const record = (rows: readonly EntryOf<'row'>[]) => {
    for (const row of rows) recorder.write(row)
  }
  return {
    async keepLost(next: string) {
      const kept = await withPool(next, idsOf)
      return async (old: string) => {
        recorder.fault('lost-tail')
        await withPool(old, async pool => record(await lostRows(pool, kept, FORMS)))
      }
    },
    async keepRemoved(stream: string, upTo: Position, id: string) {
      await withPool(databases.url, async pool => record(await removedRows(pool, stream, upTo, FORMS)))
      recorder.fault('retention', stream, id)
    },
  }
}

async function withPool<T>(url: string, use: (pool: Database) => Promise<T>): Promise<T> {
  const pool = createPool(url, { max: 2, name: 'chaos', settings: {}, onError: () => undefined })
  try {
    return await use(pool)
  } finally {
    await pool.end()
  }
}

function seconds(begun: number): string {
  return `${Math.round((performance.now() - begun) / 1_000)} s`
}
