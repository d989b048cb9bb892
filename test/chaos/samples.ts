/** What the processes of a run use, before it, under it and after it, for the checker to compare. */
import type { EntryOf } from '../checker/history.js'
import type { Recorder } from '../checker/recorder.js'
import { until } from '../harness/until.js'
import type { World } from './world.js'

/**
 * What may be left at the end above the base: about twice the most that 13 runs left, of a minute to half an hour, with 60 to 500 clients.
 * Sockets (5) and timers (5): those to nginx and of the pool, which are kept for a while. Heap and RSS (66) in MiB, after half an
 * hour: up to 35 MiB of the heap are pages of the past (their cache is charged with 32, and clients ask for four forms), 12 are code
 * that V8 has compiled since the base. Backends of Postgres (9).
 */
const GROWTH = { sockets: 12, timers: 12, heap: 50, rss: 130, backends: 20 } as const
/** MiB that a gateway may use at any time; of these runs the most was 194. */
const MOST_RSS = 350
const PATIENCE_MS = 60_000

interface Sample {
  readonly process: string
  readonly measures: Readonly<Record<string, number>>
}

export class Samples {
  readonly #world: World
  readonly #recorder: Recorder
  #base: readonly Sample[] = []

  constructor(world: World, recorder: Recorder) {
    this.#world = world
    this.#recorder = recorder
    for (const [measure, growth] of Object.entries(GROWTH)) recorder.write({ k: 'bound', measure, growth })
    recorder.write({ k: 'bound', measure: 'rss', most: MOST_RSS })
  }

  async base(): Promise<void> {
    this.#base = await this.#take('base')
  }

  async load(): Promise<void> {
    await this.#take('load')
  }

  /** Waits until clients and pools have let go of their connections. */
  async end(): Promise<void> {
    await until('all is as before', async () => this.#areAsBefore(await this.#measure()), PATIENCE_MS)
      // The checker says what is left.
      .catch(() => undefined)
    await this.#take('end')
  }

  #areAsBefore(samples: readonly Sample[]): boolean {
    return samples.every(({ measures }, n) =>
      Object.entries(GROWTH).every(
        ([measure, growth]) =>
          (measures[measure] ?? 0) <= (this.#base[n]?.measures[measure] ?? Number.POSITIVE_INFINITY) + growth,
      ),
    )
  }

  async #take(phase: EntryOf<'sample'>['phase']): Promise<readonly Sample[]> {
    const samples = await this.#measure()
    for (const { process, measures } of samples) this.#recorder.sample(process, phase, measures)
    return samples
  }

  async #measure(): Promise<readonly Sample[]> {
    const gateways = await Promise.all(
      this.#world.gateways.map(async gateway => ({
        process: gateway.name,
        measures: { ...(await gateway.measure()) },
      })),
    )
    const sql = `select count(*) as backends from pg_stat_activity where backend_type = 'client backend'`
    const { rows } = await this.#world.databases.execute(sql)
    return [...gateways, { process: 'postgres', measures: { backends: Number(rows[0].backends) } }]
  }
}
