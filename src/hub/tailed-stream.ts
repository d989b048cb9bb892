/** A stream that the tailer reads: one of the hub, which clients follow, or one of the system. */
import type { Position, StoredEvent, StreamId, StreamName } from '../log/event.js'
import type { Bounds, Head } from '../log/log.js'

/** Why the log does not continue at the head of a stream. */
export type Discontinuity = 'retention' | 'history-lost'

export interface TailedStream {
  readonly id: StreamId
  /** The stream for which the number stands; default: not compared, for a stream that finds its own number again after a loss. */
  readonly named?: StreamName | undefined
  /** The kind of the stream in the log, such as `feed`. */
  readonly kind: string
  /** The last event received. Must be another object after each change. */
  readonly head: Head
  /** Number of clients that get each new event. */
  readonly liveClients: number
  /**
   * Takes the events after the head, at least one, in the order of their positions, and must move the head at once. The
   * tailer hands over no more until the returned promise, if any, has settled.
   */
  receive(events: readonly StoredEvent[]): Promise<void> | void
  /** The log does not continue at the head. The stream must continue from the head of `bounds`. */
  restart(why: Discontinuity, bounds: Bounds): void
  /** The stream was deleted from the database. It is no longer followed. */
  onDeleted(): void
  /** Stored events up to this position were changed: the stream must hold their data no longer. */
  forget?(upTo: Position): void
  /** Whether the stream counts as closed; undefined: it never does. A restore or a failover can lose the closing. */
  closed?: boolean
  /** The stream was closed, and its head is the last event. May be called again. */
  onClosed?(): void
  /** UUID of the event at a position of this history, if the stream still knows it. */
  eventIdAt?(position: Position): string | undefined
}

/** Whether the stream has the last of these events already. */
export function knows(stream: TailedStream, events: readonly StoredEvent[]): boolean {
  const last = events.at(-1)
  if (!last || last.eventId === stream.head.eventId) return true
  return last.position < stream.head.position && stream.eventIdAt?.(last.position) === last.eventId
}
