/**
 * Which of the events that a writer hands over may be out of date: the answer to its COMMIT, or the message of another process,
 * may arrive after the message that one of these events was redacted meanwhile (changed-events.ts). They are read instead.
 */
import type { Committed } from '../log/committed.js'
import type { Position, StreamId } from '../log/event.js'
import type { Tail } from '../log/tails.js'
import { mayBeCut } from './tail-page.js'

/** A note is needed only until a COMMIT is answered, or a message of the bus arrives. */
const REMEMBERED_STREAMS = 10_000

export class StaleEvents {
  #upTo = new Map<StreamId, Position>()
  /**
   * The older notes. They are in two maps, because finding the oldest entry of one map means walking over all entries
   * that were deleted before it.
   */
  #before = new Map<StreamId, Position>()

  /** Events of the stream up to this position were changed. */
  note(stream: StreamId, upTo: Position): void {
    this.#upTo.set(stream, Math.max(upTo, this.#changedUpTo(stream)) as Position)
    if (this.#upTo.size < REMEMBERED_STREAMS) return
    this.#before = this.#upTo
    this.#upTo = new Map()
  }

  /** The streams have been read since: to their ends, or as far as a page goes. */
  clear(streams: Iterable<StreamId>, tails: readonly Pick<Tail, 'streamId' | 'events'>[]): void {
    const cut = new Set(tails.filter(({ events }) => mayBeCut(events)).map(({ streamId }) => streamId))
    for (const stream of streams) {
      if (cut.has(stream)) continue
      this.#upTo.delete(stream)
      this.#before.delete(stream)
    }
  }

  has({ streamId, events: [first] }: Committed): boolean {
    return first !== undefined && first.position <= this.#changedUpTo(streamId)
  }

  #changedUpTo(stream: StreamId): number {
    return this.#upTo.get(stream) ?? this.#before.get(stream) ?? 0
  }
}
