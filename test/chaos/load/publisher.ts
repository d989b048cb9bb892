/** What all publishers of the load have in common. */
import type { Database } from '../../../src/database/pool.js'
import type { Recorder } from '../../checker/recorder.js'
import type { Random } from '../../end-to-end/random.js'

export interface PublisherOptions {
  /** Of nginx. */
  readonly origin: string
  readonly pool: Database
  readonly recorder: Recorder
  readonly random: Random
  readonly counts: PublishCounts
  /** Aborts when a publish that has no answer must end as one of unknown outcome. */
  readonly givingUp: AbortSignal
}

/** Of events, beside what the history says. */
export interface PublishCounts {
  acknowledged: number
  failed: number
  unknown: number
}

/** Publishes once. `n` is another number each time. */
export type Publisher = (n: number, options: PublisherOptions) => Promise<void>

/** The share of events with a large text. */
export const LARGE = 0.004
