/**
 * The bus tells every gateway process that streams have grown. It carries wakes, never events (I6): a wake is a hint that
 * may be lost, doubled, merged, late or forged. The tailer polls the log, so a lost wake only makes its events some seconds
 * late.
 *
 * For implementers, such as of a bus on NATS or Redis:
 *
 * - `onWake` may be called with any streams, at any time after `start`, also with streams that this process has never seen;
 * - after every moment in which wakes may have been lost, such as a reconnection, call `onWake('all')`;
 * - `wake` must not throw, nor wait: a bus that is away must not slow a publisher down;
 * - a bus does not have to wake its own process, which wakes its tailer itself;
 * - after `close` nothing may be called any more, and no connection, timer or socket may be left. Closing twice is fine.
 *
 * The contract suite in testing/bus-contract.ts checks all of that.
 */
import type { StreamId } from '../log/event.js'

/** Streams that may have grown, or all of them. */
export type Wake = readonly StreamId[] | 'all'

/** `listening`: wakes arrive. `down`: they may not arrive until the bus is back. `off`: none are expected. */
export type BusStatus = 'listening' | 'down' | 'off'

export interface Bus {
  /** Read at every poll: while it is not `listening`, the tailer polls ten times as often. */
  readonly status: BusStatus
  /** How much of the bus's queue is in use, 0 to 1, for operators; undefined if it has none, or does not know yet. */
  readonly queueUse?: number | undefined
  /** How long ago the bus last saw that wakes arrive, for operators; undefined if it does not look, or has not seen it yet. */
  readonly canaryAgeMs?: number | undefined
  /**
   * Starts to listen, and calls `onWake('all')` once it does. Resolves when starting has begun: if the bus is away, it
   * must be tried again in the background. After `close` it does nothing.
   */
  start(onWake: (wake: Wake) => void): Promise<void>
  /** Tells the other processes that these streams have grown. Called after every COMMIT that appended. */
  wake(streams: readonly StreamId[]): void
  /** Sends the wakes that still wait, then stops. */
  close(): Promise<void>
}
