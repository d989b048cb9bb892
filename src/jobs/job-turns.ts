/** The statements on jobs: each waits for its turn in its workspace, and the events that it stores are a step of their trace. */
import type { Author } from '../auth/principal.js'
import { gateOf } from '../database/fair-gate.js'
import type { Database } from '../database/pool.js'
import type { EventTracing, Traced } from '../tracing/event-tracing.js'
import { problemOf } from './job-problem.js'
import type { Changed } from './rows.js'

export interface JobTurnsOptions {
  readonly database: Database
  /** Undefined: the process takes part in no traces. */
  readonly tracing?: EventTracing | undefined
}

export class JobTurns {
  readonly #options: JobTurnsOptions

  constructor(options: JobTurnsOptions) {
    this.#options = options
  }

  /**
   * Turns errors of the database into Problems.
   * @param eventsOf the events that the work has stored.
   * @param gone ends the wait for the turn: nobody wants the result.
   */
  async run<T>(
    { workspace }: Author,
    work: (on: Database) => Promise<T>,
    eventsOf: (done: T) => readonly Traced[] = () => [],
    gone?: AbortSignal,
  ): Promise<T> {
    const { database, tracing } = this.#options
    try {
      const inTurn = async () => {
        const startedAt = performance.now()
        const done = await work(database)
        tracing?.step('append', eventsOf(done), startedAt)
        return done
      }
      return await gateOf(database).run(workspace, inTurn, gone)
    } catch (error) {
      throw problemOf(error)
    }
  }

  /** `run` for a change of a status, which is an event in each stream. @param work undefined: nothing has changed. */
  async change<T extends Changed | undefined>(
    author: Author,
    work: (on: Database) => Promise<T>,
    gone?: AbortSignal,
  ): Promise<T> {
    return this.run(author, work, changed => changed?.streams.map(() => changed) ?? [], gone)
  }
}
