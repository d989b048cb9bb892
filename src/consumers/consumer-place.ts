/** The event at a place that a request names for a cursor. */
import type { WorkspaceClient } from '../database/workspace.js'
import { cursorId } from '../hub/cursor.js'
import type { StreamId } from '../log/event.js'
import { type EventId, isIdOf } from '../log/event-id.js'
import { readLastBefore } from '../log/event-time.js'
import { type Bounds, type Head, readBounds, readPlace } from '../log/log.js'
import type { NamedPlace } from '../log/named-place.js'
import { notFound, Problem } from '../problems/problem.js'

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
      if (eventId !== undefined && isIdOf(place.id, eventId)) return { position: place.id.position, eventId }
      throw discontinued(found, place.id, eventId)
    }
  }
}

export function discontinued({ base, head }: Bounds, id: EventId, eventId: string | undefined): Problem {
  const lost = eventId === undefined && id.check === undefined ? 'unknown-id' : 'history-lost'
  const reset = { reason: id.position < base.position ? 'retention' : lost }
  const detail =
    'The log does not continue after this event. Choose another place: `earliest`, `head`, or a time.'
  return new Problem(410, reset.reason, detail, { earliest: cursorId(base), head: cursorId(head) })
}
