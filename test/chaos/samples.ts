/** What the processes of a run use, before it, under it and after it, for the checker to compare. */
import type { EntryOf } from '../checker/history.js'
import type { Recorder } from '../checker/recorder.js'
import { until } from '../harness/until.js'
import type { World } from './world.js'

/**
 * What may be left at the end above the base. Sockets: what nginx keeps open to a gateway, and connections of the pool, which ends
 * them after a while. Timers: those of connections. Heap and RSS in MiB: caches that are bounded, and what V8 does not give back.
 */
const GROWTH = { sockets: 60, timers: 60, heap: 40, rss: 250, backends: 60 } as const
/** MiB that a gateway may use at any time. */
const MOST_RSS = 700
const PATIENCE_MS = 60_000

export class Samples {
  readonly #world: World
  readonly #recorder: Recorder
  readonly #base = new Map<string, number>()

  constructor(world: World, recorder: Recorder) {
    this.#world = world
    this.#recorder = recorder
    for (const [measure, growth] of Object.entries(GROWTH)) recorder.write({ k: 'bound', measure, growth })
    recorder.write({ k: 'bound', measure: 'rss', most: MOST_RSS })
  }

  async base(): Promise<void> {
    for (const { name, sockets } of await this.#take('base')) this.#base.set(name, sockets)
  }

  async load(): Promise<void> {
    await this.#take('load')
  }

  /** Waits until clients and pools have let go of their connections. */
  async end(): Promise<readonly object[]> {
    for (const gateway of this.#world.gateways) {
      const most = (this.#base.get(gateway.name) ?? 0) + GROWTH.sockets
      await until(
        `${gateway.name} has closed its sockets`,
        async () => (await gateway.measure()).sockets <= most,
        PATIENCE_MS,
      )
        // The checker says what is left.
        .catch(() => undefined)
    }
    return await this.#take('end')
  }

  async #take(phase: EntryOf<'sample'>['phase']) {
    const measured = await Promise.all(
      this.#world.gateways.map(async gateway => ({ name: gateway.name, ...(await gateway.measure()) })),
    )
    for (const { name, ...measures } of measured) this.#recorder.sample(name, phase, measures)
    const sql = `select count(*) as backends from pg_stat_activity where backend_type = 'client backend'`
    const { rows } = await this.#world.databases.execute(sql)
    this.#recorder.sample('postgres', phase, { backends: Number(rows[0].backends) })
    return measured
  }
}
