/**
 * Events of other processes that arrived with their wakes. The bus has checked who sent them (bus/bus.ts); the tailer takes them as
 * it takes those of this process: only if they continue a stream's head by identity. Otherwise it reads the log.
 *
 * They are taken only while this process can read the log, because a process that cannot read it does not learn of revocations
 * and redactions either. So they reach clients for 6 s at most after the last successful read; the poll reads every 5 s.
 */
import type { Committed } from '../log/committed.js'
import type { EarlyEvents } from './early-events.js'
import type { Tailer } from './tailer.js'

const MAX_READ_AGE_MS = 6_000

export class CarriedEvents {
  readonly #tailer: Pick<Tailer, 'failingSince' | 'tally' | 'wake'>
  readonly #early: Pick<EarlyEvents, 'take'>

  constructor(tailer: Pick<Tailer, 'failingSince' | 'tally' | 'wake'>, early: Pick<EarlyEvents, 'take'>) {
    this.#tailer = tailer
    this.#early = early
  }

  take(committed: readonly Committed[]): void {
    const { failingSince, tally } = this.#tailer
    tally.wakes += 1
    if (failingSince === undefined && tally.readAgeMs < MAX_READ_AGE_MS)
      this.#early.take(committed, tally.carried)
    else this.#tailer.wake(committed.map(({ streamId }) => streamId))
  }
}
