/**
 * The newest events whose content matches. The database judges them as far as it can, and the filter the rest. Both read
 * backwards, a bounded part of the newest events at a time.
 */
import type { Queryable } from '../database/pool.js'
import type { ContentFilter } from './content-filter/content-filter.js'
import { contentSql } from './content-filter/content-sql.js'
import type { FilteredEvent } from './content-filter/event-content.js'
import type { Position, StreamId } from './event.js'
import type { EventFilter } from './event-filter.js'
import { matching, OF_TYPES, parsedBytes } from './filtered-page.js'

/** Older events are not read: a rare event must not cost a scan of the whole log. */
export const SCANNED_EVENTS = 10_000
/** Data that the database parses at most. */
const PARSED_BYTES = 32 * 1024 * 1024
/** For events that the database cannot judge and that do not match. */
const SPARE_ROWS = 64

/** An event that may match. */
type Candidate = (Decided | Undecided) & {
  readonly position: Position
  /** How many events, and how many bytes of data, were checked up to it. */
  readonly place: number
  readonly reached: number
  /** Whether the read ended here because of its bounds. */
  readonly isBound: boolean
}
type Decided = { readonly verdict: boolean }
/** The filter itself has to judge it. */
type Undecided = { readonly verdict: null } & FilteredEvent

/** The position of the `count`-th newest matching event, or of the oldest found; undefined if there is none. */
export async function readNthNewestByContent(
  database: Queryable,
  stream: StreamId,
  count: number,
  filter: EventFilter,
  where: ContentFilter,
): Promise<Position | undefined> {
  const { lateral, parses, values } = contentSql(where, 8, OF_TYPES)
  const text = backwards(lateral)
  const { exact, prefixes } = filter.types
  let before = Number.MAX_SAFE_INTEGER
  let events = SCANNED_EVENTS
  let bytes = PARSED_BYTES
  let left = count
  let oldest: Position | undefined
  while (events > 0 && bytes > 0) {
    const limit = left + SPARE_ROWS
    const { rows } = await database.query<Candidate>({
      text,
      values: [stream, before, events, exact, prefixes, limit, parsedBytes(parses), ...values],
    })
    const judged = await matching(rows.filter(isUndecided), filter)
    const undecided = new Set(judged.map(({ position }) => position))
    for (const row of rows) {
      if (!(row.verdict ?? undecided.has(row.position))) continue
      oldest = row.position
      left -= 1
      if (left === 0) return oldest
    }
    const last = rows.at(-1)
    // Everything that is stored was checked.
    if (!last || (!last.isBound && rows.length < limit)) return oldest
    before = last.position
    events -= last.place
    bytes -= last.reached * parses
  }
  return oldest
}

function backwards(lateral: string): string {
  return `
    select e."position", e.type, e.place, e.reached,
           case when judged and verdict is null then e.data::text end as data,
           case when judged then verdict else false end as verdict,
           e.reached >= $7 or e.place = $3 as "isBound"
      from (select e.*, sum(pg_column_size(e.data)) over newest as reached, row_number() over newest as place
              from (select e.* from sluice.events e
                     where e.stream_id = $1 and e."position" < $2 order by e."position" desc limit $3) e
            window newest as (order by e."position" desc rows unbounded preceding)) e
      left join ${lateral} on true
     where e.reached - pg_column_size(e.data) < $7
       and (judged and verdict is not false or e.reached >= $7 or e.place = $3)
     order by e."position" desc limit $6`
}

function isUndecided(candidate: Candidate): candidate is Candidate & Undecided {
  return candidate.verdict === null
}
