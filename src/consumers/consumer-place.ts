/** A place in a stream that a request names for a cursor: `now`, `beginning`, an event id, or a time. */
import type { WorkspaceClient } from '../database/workspace.js'
import { cursorId } from '../hub/cursor.js'
import type { StreamId } from '../log/event.js'
import { checkOf, type EventId, parseEventId } from '../log/event-id.js'
import { parseTime, readLastBefore } from '../log/event-time.js'
import { type Bounds, type Head, readBounds, readPlace } from '../log/log.js'
import { notFound, Problem } from '../problems/problem.js'

export type NamedPlace =
  | { readonly at: 'now' | 'beginning' }
  | { readonly at: 'time'; readonly time: Date }
  | { readonly at: 'after'; readonly id: EventId }

/** No event id begins like this. */
const DATE = /^\d{4}-/

/**
 * @param member the name of the text in the body, for the refusal.
 * @throws {Problem} 400 `invalid-event-id` or `invalid-request`.
 */
export function parsePlaceName(member: string, text: string): NamedPlace {
  if (text === 'now' || text === 'beginning') return { at: text }
  if (!DATE.test(text)) return { at: 'after', id: eventIdIn(member, text) }
  const time = parseTime(text)
  if (time) return { at: 'time', time }
  throw new Problem(
    400,
    'invalid-request',
    `\`${member}\` is not a time. Send one such as 2026-01-31T12:00:00Z.`,
  )
}

/** @throws {Problem} 400 `invalid-event-id`. */
export function eventIdIn(member: string, text: string): EventId {
  const id = parseEventId(text)
  if (id) return id
  const detail = `\`${member}\` is not an event id. Send one as you received it, such as 10532.k7f3qa.`
  throw new Problem(400, 'invalid-event-id', detail)
}

/**
 * The event after which a cursor at that place continues.
 * @throws {Problem} 404 `not-found` without the stream; 410 `retention`, `history-lost` or `unknown-id` for an event that the log
 *   does not have.
 */
export async function resolvePlace(
  client: WorkspaceClient,
  stream: StreamId,
  place: NamedPlace,
): Promise<Head> {
  switch (place.at) {
    case 'now':
    case 'beginning': {
      const bounds = await readBounds(client, stream)
      if (!bounds) throw notFound('stream')
      return place.at === 'now' ? bounds.head : bounds.base
    }
    case 'time': {
      const before = await readLastBefore(client, stream, place.time)
      if (!before) throw notFound('stream')
      return before
    }
    case 'after': {
      const found = await readPlace(client, stream, place.id.position)
      if (!found) throw notFound('stream')
      const { eventId } = found
      if (eventId !== undefined && isNamedBy(place.id, eventId))
        return { position: place.id.position, eventId }
      throw discontinued(found, place.id, eventId)
    }
  }
}

/** Whether an id, with its check if it has one, is that of an event. */
export function isNamedBy({ check }: EventId, eventId: string): boolean {
  return check === undefined || check === checkOf(eventId)
}

export function discontinued({ base, head }: Bounds, id: EventId, eventId: string | undefined): Problem {
  const lost = eventId === undefined && id.check === undefined ? 'unknown-id' : 'history-lost'
  const reset = { reason: id.position < base.position ? 'retention' : lost }
  const detail =
    'The log does not continue after this event. Choose another place: `earliest`, `head`, or a time.'
  return new Problem(410, reset.reason, detail, { earliest: cursorId(base), head: cursorId(head) })
}
