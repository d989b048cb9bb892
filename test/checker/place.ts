/** The places that lines of a history name by the ids of events. */
import { type EventId, parseEventId } from '../../src/log/event-id.js'

/** @throws {Error} for a text that is no event id: such a line was not written by a recorder. */
export function knownPlace(id: string): EventId {
  const place = parseEventId(id)
  if (!place) throw new Error(`${id} is no event id.`)
  return place
}

/** @throws {Error} for a text that is no event id. */
export function positionOf(id: string): number {
  return knownPlace(id).position
}
