/** A place in a stream that a request names: `now`, `beginning`, an event id, or a time. */
import { Problem } from '../problems/problem.js'
import { type EventId, parseEventId } from './event-id.js'
import { parseTime } from './event-time.js'

export type NamedPlace =
  | { readonly at: 'now' | 'beginning' }
  | { readonly at: 'time'; readonly time: Date }
  | { readonly at: 'after'; readonly id: EventId }

/** A time begins like this, and no event id does. */
const DATE = /^\d{4}-/

/**
 * @param name of the text in the request, for the refusal.
 * @param example of a time, as it is written there.
 * @throws {Problem} 400 `invalid-event-id` or `invalid-request`.
 */
export function parsePlaceName(name: string, text: string, example = '2026-01-31T12:00:00Z'): NamedPlace {
  if (text === 'now' || text === 'beginning') return { at: text }
  if (!DATE.test(text)) {
    const id = parseEventId(text)
    if (id) return { at: 'after', id }
    const places = `beginning, now, an event id as you received it, such as 10532.k7f3qa, or a time, such as ${example}`
    throw new Problem(400, 'invalid-event-id', `\`${name}\` is no place in a stream. Send ${places}.`)
  }
  const time = parseTime(text)
  if (time) return { at: 'time', time }
  throw new Problem(400, 'invalid-request', `\`${name}\` is not a time. Send one such as ${example}.`)
}

/** @throws {Problem} 400 `invalid-event-id`. */
export function eventIdIn(name: string, text: string): EventId {
  const id = parseEventId(text)
  if (id) return id
  const detail = `\`${name}\` is not an event id. Send one as you received it, such as 10532.k7f3qa.`
  throw new Problem(400, 'invalid-event-id', detail)
}
