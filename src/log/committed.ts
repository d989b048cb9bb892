/**
 * The events that one transaction has appended to a stream, after its COMMIT. The writer hands them to the tailer of its own
 * process, which need not read them then (hub/tailer.ts).
 */
import { charactersIn, type StoredEvent, type StreamId, type Way } from './event.js'

/** The most events of a stream that a tailer takes at once; more of them are read from the log. */
export const MAX_COMMITTED_EVENTS = 500
export const MAX_COMMITTED_CHARACTERS = 256 * 1024

export interface Committed {
  readonly streamId: StreamId
  /** How the events were published, for the metrics. */
  readonly way?: Way | undefined
  /**
   * UUID of the event before the first one. Null if the writer does not know it: the events are then read, because only
   * the identity of their predecessor shows that they continue what a reader holds (I4).
   */
  readonly previous: string | null
  /** At least one, in the order of their positions, which have no gap. */
  readonly events: readonly StoredEvent[]
}

/**
 * The UUID of the event before the one that an append has placed, from a row `p` of its result. The statement took its
 * snapshot before it waited for the stream: if the event was committed since, or removed by retention, this is null. If the
 * event is there, it is the predecessor, because a stream gives each position once.
 */
export const PREVIOUS = `(
  select e.event_id from sluice.events e where e.stream_id = p.stream_id and e."position" = p."position" - 1)`

/**
 * As `PREVIOUS`, with another snapshot if need be, for a stream with many writers at once. Only for the gateway's own role, and
 * at READ COMMITTED, where each statement of a volatile function has a snapshot of its own.
 */
export const PREVIOUS_AS_COMMITTED = `coalesce(
  ${PREVIOUS}, case when p."position" > 1 then sluice.event_before(p.stream_id, p."position") end)`

/** One entry per stream. @param appended by one transaction, in the order of the positions within each stream. */
export function mergedByStream(appended: readonly Committed[]): Committed[] {
  const streams = new Map<StreamId, Committed & { readonly events: StoredEvent[] }>()
  for (const { events, ...first } of appended) {
    const committed = streams.get(first.streamId) ?? { ...first, events: [] }
    streams.set(first.streamId, committed)
    committed.events.push(...events)
  }
  return [...streams.values()]
}

/** Whether the events have the positions that follow a place in their stream. */
export function haveNoGap(
  { position }: Pick<StoredEvent, 'position'>,
  events: readonly StoredEvent[],
): boolean {
  return events.every((event, index) => event.position === position + 1 + index)
}

/** Whether they are few and small enough for a tailer to take them at once. */
export function isSmall(events: readonly StoredEvent[]): boolean {
  return events.length <= MAX_COMMITTED_EVENTS && charactersIn(events) <= MAX_COMMITTED_CHARACTERS
}
