/** Where a stream or a page starts, from the query of its request. */
import type { StartAt } from '../src/hub/start.js'
import { parseKeyPath } from '../src/log/latest.js'
import { eventIdIn, parsePlaceName } from '../src/log/named-place.js'
import { TypeFilter } from '../src/log/type-filter.js'
import { Problem } from '../src/problems/problem.js'

export const LATEST_BY_KEY = 'latest-by-key'

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
  return parsePlaceName(
    parameter,
    text,
    '2026-01-31T12:00:00Z or 2026-01-31T13:00:00%2B01:00: in a URL, `+` is written `%2B`',
  )
}

function latestBy(key: string | undefined, deleted: string | undefined): StartAt {
  if (key === undefined)
    throw invalid('`from=latest-by-key` needs the path of the key. Send `key`, such as key=data.id.')
  const omitted = deleted === undefined ? undefined : TypeFilter.parse(deleted)
  return { at: 'latest', key: parseKeyPath(key), omitted }
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid-request', detail)
}
