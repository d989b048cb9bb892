/** Where a stream or a page starts, from the query of its request. */
import type { StartAt } from '../src/hub/start.js'
import { type EventId, parseEventId } from '../src/log/event-id.js'
import { parseTime } from '../src/log/event-time.js'
import { parseKeyPath } from '../src/log/latest.js'
import { TypeFilter } from '../src/log/type-filter.js'
import { Problem } from '../src/problems/problem.js'

export const LATEST_BY_KEY = 'latest-by-key'
/** No event id begins like this. */
const DATE = /^\d{4}-/

export interface StartQuery {
  readonly from?: string | undefined
  readonly last?: number | undefined
  readonly key?: string | undefined
  readonly deleted?: string | undefined
}

/** @throws {Problem} 400 for a `from` that names no place. */
export function startAt({ from, last, key, deleted }: StartQuery): StartAt | undefined {
  if (from === LATEST_BY_KEY) return latestBy(key, deleted)
  if (from !== undefined) return placeIn('from', from)
  return last === undefined ? undefined : { at: 'newest', count: last }
}

/** @throws {Problem} 400 for a text that names no place. */
export function pageStart({
  from,
  after,
}: {
  from?: string | undefined
  after?: string | undefined
}): StartAt {
  if (from === undefined) return after === undefined ? { at: 'beginning' } : afterIn(after)
  if (after !== undefined)
    throw invalid('`from` and `after` both say where the page starts. Send one of them.')
  if (from === LATEST_BY_KEY) throw invalid('`from=latest-by-key` is for live streams. Use GET /api/latest.')
  return placeIn('from', from)
}

function afterIn(after: string): StartAt {
  return after === 'beginning' ? { at: 'beginning' } : { at: 'after', id: eventIdIn('after', after) }
}

function placeIn(parameter: string, text: string): StartAt {
  if (text === 'beginning' || text === 'now') return { at: text }
  if (!DATE.test(text)) return { at: 'after', id: eventIdIn(parameter, text) }
  const time = parseTime(text)
  if (time) return { at: 'time', time }
  throw invalid(
    `\`${parameter}\` is not a time. Send one such as 2026-01-31T12:00:00Z or 2026-01-31T13:00:00%2B01:00: in a URL, \`+\` is written \`%2B\`.`,
  )
}

function latestBy(key: string | undefined, deleted: string | undefined): StartAt {
  if (key === undefined)
    throw invalid('`from=latest-by-key` needs the path of the key. Send `key`, such as key=data.id.')
  const omitted = deleted === undefined ? undefined : TypeFilter.parse(deleted)
  return { at: 'latest', key: parseKeyPath(key), omitted }
}

function eventIdIn(parameter: string, text: string): EventId {
  const id = parseEventId(text)
  if (id) return id
  throw new Problem(
    400,
    'invalid-event-id',
    `\`${parameter}\` is not an event id. Send one as you received it, such as 10532.k7f3qa.`,
  )
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid-request', detail)
}
