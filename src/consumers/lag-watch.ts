/**
 * Looks once a minute, in every process, how far the consumers and webhooks of all workspaces are behind. The first process that finds
 * one that lags, or that retention has passed, publishes `consumer.lagging` and records it; the row remembers that, so it happens once
 * (sluice.note_lag). It also keeps the streams of consumers from being removed as unused while they are empty.
 */
import { levelOfOtherFault } from '../database/database-fault.js'
import { type Database, inTransaction } from '../database/pool.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { ConsumerKind } from './consumer.js'
import { type ConsumerState, FIRST, noteLag, readConsumerStates, useStreams } from './consumer-lag-rows.js'
import { BRIEF_LOCKS, recordLag } from './consumer-losses.js'

const EVERY_MS = 60_000
const FIRST_MS = 10_000
/** Processes that were started together do not look at the same time. */
const JITTER = 0.3
const BATCH = 500

export interface LagWatchOptions {
  readonly database: Database
  readonly logger: Logger
  /** Age of the first unacknowledged event, in seconds, from which a consumer lags; 0: only retention decides. */
  readonly warningSeconds: number
  /** Days that retention keeps the events of streams without options; 0: for ever. */
  readonly retentionDays: number
  /** Whether to do nothing for now, as in maintenance. */
  paused(): boolean
}

/** A lagging consumer is also counted as held or free. */
export type ConsumerFigure = 'held' | 'free' | 'lagging'

export interface ConsumerFigures {
  readonly counts: Readonly<Record<ConsumerKind, Readonly<Record<ConsumerFigure, number>>>>
  /** The lag of the consumer that is furthest behind, in seconds. */
  readonly maxLagSeconds: number
}

export class LagWatch {
  /** The figures of the last look; undefined before the first one. */
  figures: ConsumerFigures | undefined
  readonly #options: LagWatchOptions
  readonly #loop: PeriodicLoop

  constructor(options: LagWatchOptions) {
    this.#options = options
    this.#loop = new PeriodicLoop({
      name: 'Looking for consumers that lag',
      firstMs: FIRST_MS,
      everyMs: EVERY_MS,
      jitter: JITTER,
      logger: options.logger,
      levelOf: levelOfOtherFault,
      turn: () => (options.paused() ? undefined : this.look()),
    })
  }

  start(): void {
    this.#loop.start()
  }

  close(): Promise<void> {
    return this.#loop.close()
  }

  /** Looks at all consumers once. @throws the first error of a consumer, after all of them. */
  async look(): Promise<void> {
    const { database, warningSeconds, retentionDays } = this.#options
    const seen = new FigureCount()
    const errors: unknown[] = []
    let after = FIRST
    for (;;) {
      const states = await readConsumerStates(database, after, BATCH, warningSeconds, retentionDays)
      for (const state of states) {
        seen.add(state)
        // A workspace whose feed is locked holds up no other one for longer than its own attempt.
        if (state.changed) await this.#note(state).catch(error => errors.push(error))
      }
      const last = states.at(-1)
      if (!last) break
      await useStreams(
        database,
        states.map(({ id }) => id),
      )
      after = last.id
    }
    this.figures = seen.figures
    if (errors.length > 0) throw errors[0]
  }

  async #note(state: ConsumerState): Promise<void> {
    const { database, logger } = this.#options
    const noted = await inTransaction(database, async client => {
      await client.query(BRIEF_LOCKS)
      const consumer = await noteLag(client, state)
      if (consumer && state.lagging) {
        const { lost, lagEvents, lagSeconds } = state
        await recordLag(client, consumer, {
          lost,
          lag_events: lagEvents,
          lag_seconds: Math.round(lagSeconds),
        })
      }
      return consumer
    })
    if (!noted) return
    const { workspace, name: consumer, kind } = noted
    if (state.lagging) logger.warn({ workspace, consumer, kind, lost: state.lost }, 'A consumer lags.')
    else logger.info({ workspace, consumer, kind }, 'A consumer has caught up.')
  }
}

class FigureCount {
  readonly #counts = {
    pull: { held: 0, free: 0, lagging: 0 },
    webhook: { held: 0, free: 0, lagging: 0 },
  }
  #maxLagSeconds = 0

  add({ kind, held, lagging, lagSeconds }: ConsumerState): void {
    const counts = this.#counts[kind]
    counts[held ? 'held' : 'free'] += 1
    if (lagging) counts.lagging += 1
    this.#maxLagSeconds = Math.max(this.#maxLagSeconds, lagSeconds)
  }

  get figures(): ConsumerFigures {
    return { counts: this.#counts, maxLagSeconds: this.#maxLagSeconds }
  }
}
