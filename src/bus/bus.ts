/**
 * The bus tells every gateway process that streams have grown. A wake is a hint that may be lost, doubled, merged, late or
 * forged (I6). The tailer polls the log, so a lost wake only makes its events some seconds late. A bus may carry the events
 * with a wake (`announce`, `onCommitted`). The tailer takes them only if they continue its head, and reads the log otherwise.
 *
 * For implementers, such as of a bus on NATS or Redis:
 *
 * - `onWake` may be called with any streams, at any time after `start`, also with streams that this process has never seen;
 * - after every moment in which wakes may have been lost, such as a reconnection, call `onWake('all')`;
 * - `wake` and `announce` must not throw, nor wait: a bus that is away must not slow a publisher down;
 * - a bus that carries events must know that a process of the same database has sent them, unchanged and a few seconds ago at
 *   most; otherwise it must call `onWake` for their streams. Clients get what `onCommitted` gets. A bus that cannot know that
 *   leaves `announce` out;
 * - a bus does not have to wake its own process, which wakes its tailer itself;
 * - after `close` nothing may be called any more, and no connection, timer or socket may be left. Closing twice is fine.
 *
 * The contract suite in testing/bus-contract.ts checks all of that.
 */
import type { Committed } from '../log/committed.js'
import type { StreamId } from '../log/event.js'

/** Streams that may have grown, or all of them. */
export type Wake = readonly StreamId[] | 'all'

/** `listening`: wakes arrive. `down`: they may not arrive until the bus is back. `off`: none are expected. */
export type BusStatus = 'listening' | 'down' | 'off'

export interface Bus {
  /** Read at every poll: while it is not `listening`, the tailer polls ten times as often. */
  readonly status: BusStatus
  /** The carrier of its wakes, for operators, such as `postgres`; undefined for an application's own bus. */
  readonly kind?: string | undefined
  /** How much of the bus's queue is in use, 0 to 1, for operators; undefined if it has none, or does not know yet. */
  readonly queueUse?: number | undefined
  /** How long ago the bus last saw that wakes arrive, for operators; undefined if it does not look, or has not seen it yet. */
  readonly canaryAgeMs?: number | undefined
  /** At how many moments wakes to or from this process may have been lost, for operators; undefined if the bus does not count them. */
  readonly losses?: number | undefined
  /** Whether this process passes the wakes of SQL publishers on to the others, for operators; undefined where none does that. */
  readonly isRelay?: boolean | undefined
  /**
   * Starts to listen, and calls `onWake('all')` once it does. Resolves when starting has begun: if the bus is away, it
   * must be tried again in the background. After `close` it does nothing.
   * @param onCommitted takes the events that other processes have announced, in any order. Only a bus with `announce` calls it.
   */
  start(onWake: (wake: Wake) => void, onCommitted?: (committed: readonly Committed[]) => void): Promise<void>
  /** Tells the other processes that these streams have grown. Called after every COMMIT that appended. */
  wake(streams: readonly StreamId[]): void
  /**
   * As `wake`, with the events, which the other processes then need not read. It may leave events out, and wake their
   * streams instead. Undefined in a bus that carries no events: `wake` is called then.
   */
  readonly announce?: ((committed: readonly Committed[]) => void) | undefined
  /**
   * Lets the bus send nothing while `isAlone` returns true, because no other process listens. For a bus whose processes all have a row
   * in `sluice.nodes`; another one leaves it out.
   */
  restWhile?(isAlone: () => boolean): void
  /**
   * The connection to the database was lost, so that another server may answer now, without events that clients have seen. A bus with
   * `announce` passes on no events that were sent before, nor events of processes that still write to the other server.
   */
  historyMayDiffer?(): void
  /** Sends the wakes that still wait, then stops. */
  close(): Promise<void>
}
