/**
 * Pages of rare types. The database filters, so that the replay of one event in ten thousand does not transfer all of
 * them; and each call reads a bounded stretch of the log, so that no call takes long. Between events that are far
 * apart a gap is invisible, so the statement itself verifies, in its own snapshot, that the whole stretch is stored:
 * the base is not beyond its start, and the event at its end exists (I3).
 */
import type { Queryable } from '../database/pool.js'
import { COMPACTED, isDelivered, type Position, type StoredEvent, type StreamId } from './event.js'
import type { EventFilter } from './event-filter.js'
import { ANCHOR, EVENT, fits, type Page, type PageRow, pageOf, SIZED } from './log.js'

/** Measured: about 10 ms. */
const SCANNED_EVENTS = 10_000
const PAGE_BYTES = 4 * 1024 * 1024

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
  const { rows } = await database.query<PageRow>({
    name: 'sluice-read-filtered-page',
    text: `
      select ${ANCHOR}, p.*
        from (values (1)) as one
        left join (
               select ${EVENT}
                 from (select ${SIZED}
                         from (select e.* from sluice.events e
                                where e.stream_id = $1 and e."position" > $2 and e."position" <= $3
                                  and ((e.type = any ($4::text[]) or e.type ^@ any ($5::text[])) and e.type <> '${COMPACTED}'
                                       or e."position" = $3)
                                  and (select s.base_position from sluice.streams s where s.id = $1) <= $2
                                order by e."position" limit $6) e) e
                where ${fits('$7')}) p on true
       order by p."position"`,
    values: [stream, after, end, filter.types.exact, filter.types.prefixes, limit, maxBytes],
  })
  const { anchor, events } = pageOf(rows)
  const matching = events.filter(event => isDelivered(event) && filter.matches(event))
  return { anchor, events: matching, last: events.at(-1) }
}
