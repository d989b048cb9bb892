/**
 * Which of the events that a writer hands over may be out of date: the answer to its COMMIT, or the message of another process,
 * may arrive after the message that one of these events was redacted meanwhile (changed-events.ts). They are read instead.
 */
import { LRUCache } from 'lru-cache'
import type { Committed } from '../log/committed.js'
import type { Position, StreamId } from '../log/event.js'
import type { Tail } from '../log/tails.js'
import { mayBeCut } from './tail-page.js'

/** Needed only as long as a COMMIT takes to be answered, or a message of the bus to arrive. */
const REMEMBERED_STREAMS = 10_000

export class StaleEvents {
  readonly #upTo = new LRUCache<StreamId, Position>({ max: REMEMBERED_STREAMS })

  /** Events of the stream up to this position were changed. */
  note(stream: StreamId, upTo: Position): void {
    this.#upTo.set(stream, Math.max(upTo, this.#upTo.get(stream) ?? 0) as Position)
  }

  /** The streams have been read since: to their ends, or as far as a page goes. */
  clear(streams: Iterable<StreamId>, tails: readonly Pick<Tail, 'streamId' | 'events'>[]): void {
    const cut = new Set(tails.filter(({ events }) => mayBeCut(events)).map(({ streamId }) => streamId))
    for (const stream of streams) if (!cut.has(stream)) this.#upTo.delete(stream)
  }

  has({ streamId, events: [first] }: Committed): boolean {
    return first !== undefined && first.position <= (this.#upTo.get(streamId) ?? 0)
  }
}
