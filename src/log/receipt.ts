/** The answer to a publish: the place of each stored event. */
import Type, { type Static } from 'typebox'
import type { PlacedEvent } from './append-request.js'
import { EventDocument } from './event.js'
import { formatEventId } from './event-id.js'

export const Placed = Type.Pick(EventDocument, ['id', 'position', 'event_id', 'at'], { title: 'PlacedEvent' })
export type Placed = Static<typeof Placed>

export function placedOf({ position, eventId, at }: PlacedEvent): Placed {
  return { id: formatEventId(position, eventId), position, event_id: eventId, at: at.toISOString() }
}
