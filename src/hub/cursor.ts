/** The place in a stream up to which a client has everything. */
import type { Position } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'

/** The event's UUID is missing where only the position is known, as in `0`, before the first event. */
export interface Cursor {
  readonly position: Position
  readonly eventId?: string
}

/**
 * Whether a cursor is at this place, by identity: after a lost tail the same position has another event. A cursor without
 * a UUID is compared by its position alone.
 */
export function isAt({ position, eventId }: Cursor, place: Cursor): boolean {
  return position === place.position && (eventId === undefined || eventId === place.eventId)
}

/** The same place without the rest of an event, whose data would stay in memory. */
export function placeOf({ position, eventId }: Cursor): Cursor {
  return eventId === undefined ? { position } : { position, eventId }
}

/** The event id that a client keeps and brings back. */
export function cursorId({ position, eventId }: Cursor): string {
  return eventId === undefined ? String(position) : formatEventId(position, eventId)
}
