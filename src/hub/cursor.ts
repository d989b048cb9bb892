/** A place in a stream after which a client has everything. */
import type { Position } from '../events/event.js'
import { formatEventId } from '../events/event-id.js'

/** The UUID is missing where nobody has seen the event. */
export interface Cursor {
  readonly position: Position
  readonly eventId?: string
}

/** As an event id, such as a client keeps and brings back. */
export function cursorId({ position, eventId }: Cursor): string {
  return eventId === undefined ? String(position) : formatEventId(position, eventId)
}
