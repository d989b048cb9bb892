/**
 * The events that the page has, oldest first, and how many of them its list shows: while the list is held, new events are
 * counted and not shown. It keeps the newest MAX_EVENTS.
 */
import type { StreamEvent } from '../../stream/stream-client.ts'

export const MAX_EVENTS = 50_000
/** Removed together, so that a full log does not move all events for each new one. */
const SLACK = 5_000

export interface LogView {
  readonly events: readonly StreamEvent[]
  /** The list shows the first so many of `events`. */
  readonly shown: number
}

export const NO_EVENTS: LogView = { events: [], shown: 0 }

/** @param isHeld the list stays as it is. */
export function withEvents(view: LogView, added: readonly StreamEvent[], isHeld: boolean): LogView {
  const events = view.events.concat(added)
  const excess = events.length > MAX_EVENTS + SLACK ? events.length - MAX_EVENTS : 0
  const kept = excess > 0 ? events.slice(excess) : events
  return { events: kept, shown: isHeld ? Math.max(0, view.shown - excess) : kept.length }
}
