/** A place in a stream after which a client has everything. */
import type { Position } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'

/** The UUID is missing where nobody has seen the event. */
export interface Cursor {
  readonly position: Position
  readonly eventId?: string
}

/**
 * Whether a cursor is this place, by identity: after a lost tail the same position has another event. A cursor without a
 * UUID is believed.
 */
export function isAt({ position, eventId }: Cursor, place: Cursor): boolean {
  return position === place.position && (eventId === undefined || eventId === place.eventId)
}

/** As an event id, such as a client keeps and brings back. */
export function cursorId({ position, eventId }: Cursor): string {
  return eventId === undefined ? String(position) : formatEventId(position, eventId)
}
