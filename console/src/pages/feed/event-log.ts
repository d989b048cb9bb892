/**
 * The events that the page has, oldest first, and those of them that the list shows: while the list is held, new events are
 * counted and not shown. The newest MAX_EVENTS are kept, of at most MAX_LENGTH characters.
 */
import type { Reset, StreamEvent } from '../../stream/stream-client.ts'

export const MAX_EVENTS = 50_000
const MAX_LENGTH = 64_000_000
/** Removed together, so that a full log does not move all events for each new one. */
const SLACK = 2_000

/** Events that cannot be delivered, in the place where they would be. */
export type Entry = StreamEvent | Gap
export interface Gap extends Reset {
  readonly gap: true
  /** The position after which the gap is. */
  readonly position: number
}

export interface EventLog {
  readonly entries: readonly Entry[]
  /** Of `entries`: those that match the text. */
  readonly matching: readonly Entry[]
  /** The list shows the first so many of `matching`. */
  readonly shown: number
  /** Characters of all events. */
  readonly length: number
}

export type Matches = (event: StreamEvent) => boolean

export const EMPTY_LOG: EventLog = { entries: [], matching: [], shown: 0, length: 0 }

export function isGap(entry: Entry): entry is Gap {
  return 'gap' in entry
}

/** @param isHeld the list stays as it is. */
export function append(log: EventLog, added: readonly Entry[], matches: Matches, isHeld: boolean): EventLog {
  const matching = log.matching.concat(added.filter(entry => isGap(entry) || matches(entry)))
  return trimmed({
    entries: log.entries.concat(added),
    matching,
    shown: isHeld ? log.shown : matching.length,
    length: log.length + lengthOf(added),
  })
}

/** Events of the time before the first one of the log. */
export function prepend(log: EventLog, added: readonly StreamEvent[], matches: Matches): EventLog {
  const first = log.entries[0]?.position ?? Number.POSITIVE_INFINITY
  const older = added.filter(({ position }) => position < first)
  const matching = older.filter(matches)
  return {
    entries: [...older, ...log.entries],
    matching: [...matching, ...log.matching],
    shown: log.shown + matching.length,
    length: log.length + lengthOf(older),
  }
}

/** The same events with another text to match. */
export function rematch(log: EventLog, matches: Matches): EventLog {
  const matching = log.entries.filter(entry => isGap(entry) || matches(entry))
  return { ...log, matching, shown: matching.length }
}

/** Shows all that has arrived while the list was held. */
export function release(log: EventLog): EventLog {
  return { ...log, shown: log.matching.length }
}

function trimmed(log: EventLog): EventLog {
  const { entries, matching, shown } = log
  if (entries.length <= MAX_EVENTS + SLACK && log.length <= MAX_LENGTH) return log
  let excess = Math.max(0, entries.length - MAX_EVENTS)
  let length = log.length - lengthOf(entries.slice(0, excess))
  while (length > MAX_LENGTH && excess < entries.length) length -= lengthOf(entries.slice(excess, ++excess))
  const kept = entries.slice(excess)
  const first = kept[0]?.position ?? 0
  const dropped = matching.findIndex(({ position }) => position >= first)
  const gone = dropped < 0 ? matching.length : dropped
  return { entries: kept, matching: matching.slice(gone), shown: Math.max(0, shown - gone), length }
}

function lengthOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + (isGap(entry) ? 0 : entry.line.length), 0)
}
