/**
 * Committed events of streams that are held back (scheduling/pacing.ts): one chain per stream, each event after its
 * predecessor by identity. Bounded by count and size, per stream and in total; events that do not fit are read later.
 */
import {
  type Committed,
  haveNoGap,
  MAX_COMMITTED_CHARACTERS,
  MAX_COMMITTED_EVENTS,
} from '../log/committed.js'
import { charactersIn, type StoredEvent, type StreamId } from '../log/event.js'

const MAX_TOTAL_CHARACTERS = 8 * 1024 * 1024

interface Chain {
  readonly streamId: StreamId
  readonly previous: string | null
  readonly events: StoredEvent[]
  characters: number
}

export class KeptEvents {
  readonly #chains = new Map<StreamId, Chain>()
  #characters = 0

  /** Keeps the events if they begin or continue the chain of their stream, and there is room. @returns whether they are kept. */
  keep({ streamId, previous, events }: Committed): boolean {
    const chain = this.#chains.get(streamId) ?? { streamId, previous, events: [], characters: 0 }
    const last = chain.events.at(-1)
    const characters = charactersIn(events)
    if (last && !follows(last, { previous, events })) return false
    if (chain.events.length + events.length > MAX_COMMITTED_EVENTS) return false
    if (chain.characters + characters > MAX_COMMITTED_CHARACTERS) return false
    if (this.#characters + characters > MAX_TOTAL_CHARACTERS) return false
    chain.events.push(...events)
    chain.characters += characters
    this.#characters += characters
    this.#chains.set(streamId, chain)
    return true
  }

  /** Removes and returns the chain of a stream. */
  take(id: StreamId): Committed | undefined {
    const chain = this.#chains.get(id)
    this.#chains.delete(id)
    this.#characters -= chain?.characters ?? 0
    return chain
  }
}

/** Whether committed events continue a place in their stream, by identity. */
export function follows(
  place: Pick<StoredEvent, 'position' | 'eventId'>,
  { previous, events }: Pick<Committed, 'previous' | 'events'>,
): boolean {
  return previous === place.eventId && haveNoGap(place, events)
}
