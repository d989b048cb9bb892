/**
 * The bus tells every gateway process that streams have grown. It carries wakes, never events (invariant I6):
 * to whoever implements it, a wake is a hint that may be lost, doubled, merged, late or forged, and the
 * poll of the tailer finds what a lost one would have told. What is asked of an implementation:
 *
 * - `onWake` may be called with any streams at any time after `start`, also with ones nobody has heard of;
 * - after every moment in which wakes may have been lost it calls `onWake('all')`;
 * - `wake` never throws and never waits: a database that is away must not slow a publisher down;
 * - after `close` nothing is called any more and no connection, timer or socket is left. Closing twice is fine.
 */
import type { StreamId } from '../log/event.js'

/** Streams that may have grown, or all of them. */
export type Wake = readonly StreamId[] | 'all'

/** `listening`: wakes arrive. `down`: they may not, until it is back. `off`: none are expected. */
export type BusStatus = 'listening' | 'down' | 'off'

export interface Bus {
  readonly status: BusStatus
  /** How much of its queue is in use, 0 to 1, for operators; undefined where there is none, or nobody knows yet. */
  readonly queueUse?: number | undefined
  /** Resolves when starting has begun; a database that is away does not make it fail. */
  start(onWake: (wake: Wake) => void): Promise<void>
  /** Tells the other processes, after COMMIT, that these streams have grown. */
  wake(streams: readonly StreamId[]): void
  close(): Promise<void>
}
