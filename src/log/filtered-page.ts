/**
 * Pages of rare events. The database filters, so that the replay of one event in ten thousand does not transfer all of
 * them; and each call reads a bounded stretch of the log, so that no call takes long. Between events that are far
 * apart a gap is invisible, so the statement itself verifies, in its own snapshot, that the whole stretch is stored:
 * the base is not beyond its start, and the event at its end exists (I3).
 *
 * A condition on the content makes the database read the data of each event, so the stretch is then bounded by bytes too. The
 * database leaves out only events that certainly do not match; the filter itself judges the others.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Queryable } from '../database/pool.js'
import type { ContentFilter } from './content-filter/content-filter.js'
import { contentSql } from './content-filter/content-sql.js'
import type { FilteredEvent } from './content-filter/event-content.js'
import { COMPACTED, isDelivered, type Position, type StoredEvent, type StreamId } from './event.js'
import type { EventFilter } from './event-filter.js'
import { ANCHOR, EVENT, fits, type Page, type PageRow, pageOf, SIZE, SIZED } from './log.js'

/** Measured: about 10 ms. */
const SCANNED_EVENTS = 10_000
/** Data that the database parses in one call. */
const PARSED_BYTES = 8 * 1024 * 1024
const PAGE_BYTES = 4 * 1024 * 1024
/** Data that the filter judges in one turn of the event loop: less than a slice of the fair scheduler. */
const CHARACTERS_PER_TURN = 512 * 1024

/** The matching events. */
export interface FilteredPage extends Page {
  /**
   * The last event that was checked, whether it matches or not: all matches up to it are in this page or an earlier
   * one; continue after it. Undefined if there was nothing to check, or not all of it is stored: retention has
   * removed the first, or the log has lost the last.
   */
  readonly last: StoredEvent | undefined
}

/**
 * The matching events after a position, in order: at most `limit`, with at most `maxBytes` of data in total, but at
 * least one if there is any. May be empty without having reached `upTo`; then continue.
 * @param upTo a stored position, such as the head's: later events are not checked.
 * @param maxBytes default 4 MiB.
 */
export async function readFilteredPage(
  database: Queryable,
  stream: StreamId,
  after: Position,
  upTo: Position,
  filter: EventFilter,
  limit: number,
  maxBytes = PAGE_BYTES,
): Promise<FilteredPage> {
  const end = Math.min(upTo, after + SCANNED_EVENTS)
  const { types, where } = filter
  const values = [stream, after, end, types.exact, types.prefixes, limit, maxBytes]
  const { rows } = await database.query<PageRow>(where ? byContent(where, values) : byType(values))
  const { anchor, events } = pageOf(rows)
  return { anchor, events: await matching(events, filter), last: events.at(-1) }
}

/** The events that match, in their order. Judges many bytes in several turns of the event loop (I5). */
export async function matching<Event extends FilteredEvent>(
  events: readonly Event[],
  filter: EventFilter,
): Promise<Event[]> {
  const matches: Event[] = []
  let characters = 0
  for (const event of events) {
    if (isDelivered(event) && filter.matches(event)) matches.push(event)
    characters += filter.where ? event.data.length : 0
    if (characters < CHARACTERS_PER_TURN) continue
    characters = 0
    await nextTurn()
  }
  return matches
}

/** The data that the database may parse in one call, if it parses each event so many times. */
export function parsedBytes(parses: number): number {
  return Math.ceil(PARSED_BYTES / Math.max(1, parses))
}

/** The condition that an event `e` has one of the types in the parameters 4 and 5, and is delivered at all. */
export const OF_TYPES = `((e.type = any ($4::text[]) or e.type ^@ any ($5::text[])) and e.type <> '${COMPACTED}')`
const STRETCH = `
  from sluice.events e
 where e.stream_id = $1 and e."position" > $2 and e."position" <= $3
   and (select s.base_position from sluice.streams s where s.id = $1) <= $2`

function byType(values: unknown[]) {
  const selected = `select e.* ${STRETCH} and (${OF_TYPES} or e."position" = $3) order by e."position" limit $6`
  return { name: 'sluice-read-filtered-page', text: pageText(selected), values }
}

/** Not a prepared statement: each filter has a text of its own. */
function byContent(where: ContentFilter, values: unknown[]) {
  const { lateral, parses, ...content } = contentSql(where, values.length + 2, OF_TYPES)
  const size = `(${SIZE})`
  const selected = `
    select e.*
      from (select e.*, sum(${size}) over (order by e."position" rows unbounded preceding) as reached ${STRETCH}) e
      left join ${lateral} on true
     where e.reached - ${size} < $8
       and (judged and verdict is not false or e."position" = $3 or e.reached >= $8)
     order by e."position" limit $6`
  return { text: pageText(selected), values: [...values, parsedBytes(parses), ...content.values] }
}

function pageText(selected: string): string {
  return `
    select ${ANCHOR}, p.*
      from (values (1)) as one
      left join (
             select ${EVENT}
               from (select ${SIZED} from (${selected}) e) e
              where ${fits('$7')}) p on true
     order by p."position"`
}
