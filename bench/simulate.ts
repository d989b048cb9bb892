/**
 * A million clients on sixty gateways, which no bench can have: extrapolated from measured figures by a simulation, whose rules for
 * storms are those of the gateway's own code. Beside it stands the same for a few gateways, which are also really run.
 */
import type { Row, Size } from './row.js'
import { FIGURES } from './simulation/figures.js'
import { busyShare, followersOf, type Load, memoryOf } from './simulation/load.js'
import { type Rehearsal, rehearse } from './simulation/rehearsal.js'
import { Storm, type StormOptions, type StormResult } from './simulation/storm.js'
import { round } from './statistics.js'

const SMALL = { nodes: 3, clients: 2_000 }
const LARGE = { nodes: 60, clients: 1_000_000 }
const ZONES = 3
/** As deploy/kubernetes and the settings' defaults have them. */
const MAX_STREAMS = 25_000
/** Room for the clients of a zone, and more. */
const ENOUGH_STREAMS = 35_000
const DRAIN_MS = 10_000
const HEARTBEAT_MS = 30_000
const REPLACEMENT = { startMs: 5_000, minReadyMs: 15_000, preStopMs: 5_000, drainMs: DRAIN_MS }
const POLL_SECONDS = 5
/** All clients on one stream, and a hundred on each. */
const LOADS: readonly (Load & { readonly name: string })[] = [
  { name: 'one stream', ...LARGE, streams: 1, eventsPerSecond: 2, heartbeatMs: HEARTBEAT_MS },
  { name: '10,000 streams', ...LARGE, streams: 10_000, eventsPerSecond: 10_000, heartbeatMs: HEARTBEAT_MS },
]

export async function simulate(_size: Size): Promise<Row[]> {
  return [...(await checked()), ...storms(), ...LOADS.flatMap(costs)]
}

/** The simulation beside real gateways. */
async function checked(): Promise<Row[]> {
  const rows: Row[] = []
  for (const end of ['SIGKILL', 'SIGTERM'] as const) {
    const real = await rehearse({ ...SMALL, end })
    const storm = new Storm({ ...SMALL, maxStreams: MAX_STREAMS, busy: 0 })
    if (end === 'SIGKILL') storm.kill(1)
    else storm.drain(1, DRAIN_MS)
    const name = `${end === 'SIGKILL' ? 'one killed' : 'one drained'}, ${SMALL.clients} on ${SMALL.nodes}`
    rows.push(...stormRows(name, storm.finish(), real), ...otherRows(name, real))
  }
  return rows
}

function storms(): Row[] {
  const busy = Math.max(...LOADS.map(busyShare))
  const zone = (storm: Storm) => storm.kill(LARGE.nodes / ZONES)
  const replace = (surge: number) => (storm: Storm) => storm.replace({ ...REPLACEMENT, surge })
  const fewest = { balance: 'fewest' } as const
  const cases: readonly (readonly [string, (storm: Storm) => void, Partial<StormOptions>?])[] = [
    ['one killed', storm => storm.kill(1)],
    [`one of ${ZONES} zones killed`, zone],
    [`the same, MAX_STREAMS=${ENOUGH_STREAMS}`, zone, { maxStreams: ENOUGH_STREAMS }],
    ['all streams cut', storm => storm.cut()],
    ['all replaced, one at a time', replace(1)],
    ['the same, by fewest connections', replace(1), fewest],
    ['three at a time, by fewest connections', replace(3), fewest],
  ]
  return cases.flatMap(([name, act, options]) => {
    const storm = new Storm({ ...LARGE, maxStreams: MAX_STREAMS, busy, ...options })
    act(storm)
    return stormRows(name, storm.finish())
  })
}

function stormRows(name: string, simulated: StormResult, real?: Rehearsal): Row[] {
  const { storm } = real ?? {}
  return [
    row(name, 'openings/s of one gateway, most', simulated.mostOpenings, storm?.mostOpenings),
    row(name, 'half are back after, s', simulated.halfBackMs / 1_000, storm && storm.halfBackMs / 1_000),
    row(name, 'all are back after, s', simulated.allBackMs / 1_000, storm && storm.allBackMs / 1_000),
    row(name, 'reconnects', simulated.returned, storm?.returned),
    ...(storm
      ? []
      : [
          row(name, 'CPU of one gateway, most, % of a core', 100 * simulated.mostCpu),
          row(name, 'clients of one gateway, most', simulated.mostClients),
          row(name, 'resident memory of that one, MB', memoryOf(simulated.mostClients) / 1e6),
          row(name, 'refused by full gateways', simulated.refused),
        ]),
  ]
}

function otherRows(name: string, real: Rehearsal): Row[] {
  const { nodes, clients } = SMALL
  const load = { nodes, clients, streams: 1, eventsPerSecond: 20, heartbeatMs: HEARTBEAT_MS }
  return [
    // So few openings that all of them are the first ones of their gateway; the figure was taken from here.
    row(name, 'CPU of an opening, µs', FIGURES.opening.coldMs * 1_000, real.openingMs * 1_000),
    row(name, 'resident memory of a gateway, MB', memoryOf(clients / nodes) / 1e6, real.residentBytes / 1e6),
    row(name, 'reads of the log per event, postgres', followersOf(load), real.readsPerEvent),
  ]
}

function costs(load: Load & { readonly name: string }): Row[] {
  const { name, nodes, clients, streams, eventsPerSecond } = load
  const followers = followersOf(load)
  const followed = (streams * followers) / nodes
  const pollMs = (nodes * followed * FIGURES.pollMs) / POLL_SECONDS
  return [
    row(name, 'CPU of a gateway, % of a core', 100 * busyShare(load)),
    row(name, 'resident memory of a gateway, MB', memoryOf(clients / nodes) / 1e6),
    row(name, 'gateways that follow a stream', followers),
    row(name, 'streams read per second after wakes, postgres', eventsPerSecond * followers),
    row(
      name,
      'CPU of Postgres for these, % of a core, at least',
      eventsPerSecond * followers * FIGURES.tailMs * 0.1,
    ),
    row(name, 'CPU of Postgres for polls, % of a core', pollMs * 0.1),
  ]
}

function row(name: string, figure: string, simulated: number, real?: number): Row {
  return { case: name, figure, simulated: round(simulated), measured: real === undefined ? '' : round(real) }
}
