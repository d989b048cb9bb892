/**
 * How soon all is as before: after the listener's connection went silent, while no wake arrives, after Postgres was away, after a gateway
 * was ended under its clients. Every client must have every event once and in order, and the gateway must hold no more than before.
 */
import { type Breakable, startBreakable } from './breakable.js'
import { Crowd } from './crowd.js'
import { drain } from './drain.js'
import { backAtBase, type Holdings, restingHoldings } from './holdings.js'
import { type Silence, silence, withoutWakes } from './lost-wakes.js'
import { outage, type Recovery } from './outage.js'
import type { Outage } from './own-postgres.js'
import { rollingDeploy } from './rolling-deploy.js'
import type { Row, Size } from './row.js'
import { SqlPublisher } from './sql-publisher.js'
import { percentile, round, sorted } from './statistics.js'

const RUNS = { default: 3, full: 9 }
const CLIENTS = { default: 500, full: 2_000 }
const DOWN_MS = { default: [10_000], full: [3_000, 10_000, 40_000] }
const DRAINED_CLIENTS = 2_000
const DEPLOYS = { default: 3, full: 10 }
const DEPLOYED_CLIENTS = 300
const EVENTS_WITHOUT_WAKES = { default: 200, full: 1_000 }
const OUTAGES: readonly Outage[] = ['stopped', 'killed', 'frozen']

const PARTS: Readonly<Record<string, (size: Size) => Promise<Row[]>>> = {
  listener: size => onOne(size, listenerRows),
  postgres: size => onOne(size, postgresRows),
  drain: drainRows,
  deploys: deployRows,
}
/** Parts to be measured, such as `listener,drain`; default: all. */
const WANTED = (process.env.BENCH_RECOVERY ?? Object.keys(PARTS).join()).split(',')

export async function recovery(size: Size): Promise<Row[]> {
  const rows: Row[] = []
  for (const part of WANTED) rows.push(...((await PARTS[part]?.(size)) ?? []))
  return rows
}

interface Bench {
  readonly size: Size
  readonly gateway: Breakable
  readonly publisher: SqlPublisher
  /** With clients that have received nothing yet; closed afterwards. */
  crowded<T>(clients: number, work: (crowd: Crowd) => Promise<T>): Promise<T>
}

/** All cases on one gateway, whose holdings before the first case and after the last one are its last rows. */
async function onOne(size: Size, work: (bench: Bench) => Promise<Row[]>): Promise<Row[]> {
  const gateway = await startBreakable()
  const { server } = gateway
  const publisher = new SqlPublisher()
  const crowded: Bench['crowded'] = async (clients, work) => {
    const crowd = new Crowd()
    try {
      await crowd.open(clients, { server, places: [{ first: publisher.sent.length }] })
      return await work(crowd)
    } finally {
      await crowd.close()
    }
  }
  const bench = { size, gateway, publisher, crowded }
  try {
    // Compiles the code, and opens what a gateway keeps open.
    await crowded(CLIENTS[size], crowd => outage({ gateway, crowd, publisher, how: 'killed', downMs: 500 }))
    const base = await restingHoldings(gateway)
    const cpu = await server.cpuSeconds()
    const rows = await work(bench)
    const used = (await server.cpuSeconds()) - cpu
    const { held, more } = await backAtBase(gateway, base)
    if (more.length > 0)
      throw new Error(`More ${more.join(', ')} than before: ${shown(held)}, ${shown(base)}`)
    return [...rows, { ...row('held before', []), held: shown(base) }, heldAfter(held, used)]
  } finally {
    await gateway.close()
  }
}

function heldAfter(held: Holdings, cpuSeconds: number): Row {
  return { ...row('held after', []), held: `${shown(held)}; ${round(cpuSeconds)} s of CPU between` }
}

async function listenerRows({ size, gateway, publisher, crowded }: Bench): Promise<Row[]> {
  const clients = 100
  return crowded(clients, async crowd => {
    const runs: Silence[] = []
    for (let n = 0; n < RUNS[size]; n += 1) runs.push(await silence(gateway, crowd, publisher))
    const delays = sorted(runs.flatMap(({ delays }) => delays))
    const without = await withoutWakes(gateway, crowd, publisher, EVENTS_WITHOUT_WAKES[size])
    const ofRuns = (of: 'noticedMs' | 'replacedMs') => runs.map(each => each[of])
    return [
      row('listener half-open: noticed', ofRuns('noticedMs'), { clients, target: 7_500 }),
      row('listener half-open: it listens again', ofRuns('replacedMs'), { clients }),
      row('listener half-open: an event meanwhile', delays, { clients }),
      row('no wakes at all: an event', without, { clients, target: 700 }),
    ]
  })
}

async function postgresRows({ size, gateway, publisher, crowded }: Bench): Promise<Row[]> {
  const rows: Row[] = []
  const clients = CLIENTS[size]
  for (const downMs of DOWN_MS[size])
    for (const how of OUTAGES) {
      const runs = await crowded(clients, async crowd => {
        const runs: Recovery[] = []
        for (let n = 0; n < RUNS[size]; n += 1)
          runs.push(await outage({ gateway, crowd, publisher, how, downMs }))
        return runs
      })
      const name = `Postgres ${how} for ${downMs / 1_000} s`
      const of = (what: string, figure: keyof (typeof runs)[number]) =>
        row(
          `${name}: ${what}`,
          runs.map(each => each[figure]),
          { clients, target: 3_000 },
        )
      rows.push(of('an event at every client', 'lastMs'), of('a new stream', 'opensMs'))
    }
  return rows
}

async function drainRows(): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, env] of [
    ['SIGTERM', {}],
    ['SIGTERM, DRAIN_DELAY_MS=5000', { DRAIN_DELAY_MS: '5000' }],
  ] as const) {
    const { endedAfter, resumedAfter, returned, backends } = await drain(DRAINED_CLIENTS, env)
    const held = `backends ${backends.before} before, ${backends.after} after; ${returned} came back`
    rows.push(
      { ...row(`${name}: ended`, [1_000 * endedAfter], { clients: DRAINED_CLIENTS, target: 15_000 }), held },
      row(`${name}: every client resumed`, [1_000 * resumedAfter], {
        clients: DRAINED_CLIENTS,
        target: 15_000,
      }),
    )
  }
  return rows
}

async function deployRows(size: Size): Promise<Row[]> {
  const { faults, behind, events, rounds } = await rollingDeploy({
    clients: DEPLOYED_CLIENTS,
    rounds: DEPLOYS[size],
  })
  if (faults.length > 0 || behind > 0) throw new Error(`${faults[0] ?? ''} ${behind} clients are behind.`)
  const name = `${DEPLOYS[size]} rolling deploys in a row of three gateways: each`
  const times = rounds.map(({ seconds }) => 1_000 * seconds)
  const backends = rounds.map(({ backends }) => backends).join(' ')
  return [
    { ...row(name, times, { clients: DEPLOYED_CLIENTS }), held: `${events} events; backends ${backends}` },
  ]
}

/** @param ms of all samples. */
function row(what: string, ms: readonly number[], { clients = 0, target = 0 } = {}): Row {
  const all = sorted(ms)
  const of = (percent: number) => (all.length > 0 ? round(percentile(all, percent)) : '')
  return {
    what,
    clients: clients || '',
    samples: all.length || '',
    'median ms': of(50),
    'p99 ms': of(99),
    'longest ms': of(100),
    'target ms': target || '',
    held: '',
  }
}

function shown({ descriptors, timers, sockets, backends, heapBytes, residentBytes }: Holdings): string {
  const memory = `heap ${round(heapBytes / 1e6)} MB, resident ${Math.round(residentBytes / 1e6)} MB`
  return `${descriptors} descriptors, ${timers} timers, ${sockets} sockets, ${backends} backends, ${memory}`
}
