/**
 * Streams of tokens, as models write them, with one reader each: the gateway beside resumable-stream on redis-server, with the same
 * producers and readers, by turns. First the largest number of streams that each of them carries, then both at one that both carry.
 */
import type { Row, Size } from './row.js'
import { percentile, round, sorted } from './statistics.js'
import { type Load, type Run, run } from './token-streams/run.js'
import type { System } from './token-streams/work.js'

const SYSTEMS: readonly System[] = ['Sluice', 'Sluice, 100 ms', 'resumable-stream']
const RATE = 50
const SIZES = {
  default: [25, 50, 100, 200, 400, 700, 1_000],
  full: [25, 50, 75, 100, 150, 200, 300, 400, 500, 700, 1_000, 1_500],
}
const ROUNDS = 3
const SECONDS = { default: 6, full: 10 }
/** More than this, and tokens wait in a queue that grows: the system does not carry the load. */
const CARRIED_P99_MS = 250

export interface TokensOptions {
  /** Streams at a time, instead of the largest number that is carried. */
  readonly streams?: number | undefined
  /** Tokens a second of each stream. Default 50. */
  readonly rate?: number | undefined
}

export async function tokens(size: Size, { streams, rate = RATE }: TokensOptions = {}): Promise<Row[]> {
  const seconds = SECONDS[size]
  const rows: Row[] = []
  let equal = streams ?? Number.POSITIVE_INFINITY
  if (streams === undefined) {
    for (const system of SYSTEMS) {
      const found = await search(system, rate, size)
      rows.push(...found.map(({ count, measured }) => rowOf('search', system, count, rate, [measured])))
      const largest = found.at(-1)?.count ?? 0
      console.log(`${system} carries ${largest} streams.`)
      equal = Math.min(equal, largest)
    }
    if (equal === 0) return rows
  }
  const runs = new Map<System, Run[]>()
  for (let n = 0; n < ROUNDS; n += 1) {
    for (const system of SYSTEMS) {
      const measured = await run(system, { streams: equal, rate, seconds })
      runs.set(system, [...(runs.get(system) ?? []), measured])
    }
  }
  for (const [system, all] of runs) rows.push(rowOf('equal', system, equal, rate, all))
  return rows
}

/** The sizes that the system carries, each measured once: a size at which it fails twice ends the search. */
async function search(system: System, rate: number, size: Size) {
  const found: { readonly count: number; readonly measured: Run }[] = []
  for (const count of SIZES[size]) {
    const load = { streams: count, rate, seconds: SECONDS[size] }
    const measured = (await carried(system, load)) ?? (await carried(system, load))
    if (!measured) break
    found.push({ count, measured })
  }
  return found
}

/** Undefined if tokens come late or not at all. */
async function carried(system: System, load: Load): Promise<Run | undefined> {
  try {
    const measured = await run(system, load)
    if (measured.p99 <= CARRIED_P99_MS) return measured
    console.log(`${system} with ${load.streams} streams: 1 token in 100 took ${round(measured.p99)} ms.`)
  } catch (error) {
    console.log(`${system} with ${load.streams} streams: ${error instanceof Error ? error.message : error}`)
  }
  return undefined
}

function rowOf(what: string, system: System, streams: number, rate: number, runs: readonly Run[]): Row {
  const median = (value: (run: Run) => number) => round(percentile(sorted(runs.map(value)), 50))
  // The time in a queue that grows says how long the bench ran.
  const isCarried = median(({ p99 }) => p99) <= CARRIED_P99_MS
  const perToken = (cpu: (run: Run) => number) => median(each => (cpu(each) * 1e6) / each.tokens)
  return {
    what,
    system,
    streams,
    'tokens/s': streams * rate,
    'server µs/token': perToken(({ server }) => server),
    'store µs/token': perToken(({ store }) => store),
    'producer µs/token': perToken(({ producers }) => producers),
    'reader µs/token': perToken(({ readers }) => readers),
    'processors busy': median(
      ({ server, store, producers, readers, seconds }) => (server + store + producers + readers) / seconds,
    ),
    'p50 ms': isCarried ? median(({ p50 }) => p50) : 'not carried',
    'p99 ms': isCarried ? median(({ p99 }) => p99) : 'not carried',
  }
}
