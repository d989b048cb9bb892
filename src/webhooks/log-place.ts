/** A place in a stream that an admin names: `now`, `beginning`, an event id, or a time (RFC 3339). */
import type { Queryable } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import { checkOf, formatEventId, parseEventId } from '../log/event-id.js'
import { parseTime, readLastBefore } from '../log/event-time.js'
import { type Bounds, type Head, readBounds, readPlace } from '../log/log.js'
import { notFound, Problem } from '../problems/problem.js'

/** No event id begins like this. */
const DATE = /^\d{4}-/

/**
 * The event after which the place begins: for an event id that event, for a time the last event before it.
 * @param member of the request, for messages.
 * @throws {Problem} 400 `invalid-event-id` or `invalid-request` for a text that names no place; 404 without the stream; 410 for an
 *   event that the log does not have.
 */
export async function findPlace(
  database: Queryable,
  stream: StreamId,
  text: string,
  member: string,
): Promise<Head> {
  if (DATE.test(text)) {
    const time = parseTime(text)
    if (!time)
      throw new Problem(400, 'invalid-request', `\`${member}\` is not a time such as 2026-01-31T12:00:00Z.`)
    return found(await readLastBefore(database, stream, time))
  }
  if (text === 'now' || text === 'beginning') {
    const { base, head } = found(await readBounds(database, stream))
    return text === 'now' ? head : base
  }
  return await placeOfId(database, stream, text, member)
}

async function placeOfId(database: Queryable, stream: StreamId, text: string, member: string): Promise<Head> {
  const id = parseEventId(text)
  if (!id) {
    const detail = `\`${member}\` is not an event id. Send one as you received it, such as 10532.k7f3qa.`
    throw new Problem(400, 'invalid-event-id', detail)
  }
  const place = found(await readPlace(database, stream, id.position))
  const { eventId } = place
  if (id.position === 0 && place.base.position === 0) return place.base
  if (eventId === undefined)
    throw lost(id.position < place.base.position ? 'retention' : 'unknown-id', member, place)
  if (id.check !== undefined && id.check !== checkOf(eventId)) throw lost('history-lost', member, place)
  return { position: id.position, eventId }
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw notFound('stream')
  return value
}

function lost(
  code: 'retention' | 'unknown-id' | 'history-lost',
  member: string,
  { base, head }: Bounds,
): Problem {
  const detail = `The log does not have the event of \`${member}\`. Name one from \`earliest\` to \`head\`.`
  return new Problem(410, code, detail, {
    earliest: formatEventId(base.position, base.eventId),
    head: formatEventId(head.position, head.eventId),
  })
}
