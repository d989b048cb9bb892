/**
 * Pages of rare types. The database filters, so that the replay of one event in ten thousand does not ship all of
 * them; and each call looks at a bounded stretch of the log, so that no call takes long.
 */
import type { Position, StoredEvent, StreamId } from './event.js'
import { EVENT, fits, type Queryable, SIZED } from './log.js'
import type { TypeFilter } from './type-filter.js'

/** Measured: about 10 ms. */
const SCANNED_EVENTS = 10_000
const PAGE_BYTES = 4 * 1024 * 1024

export interface FilteredPage {
  readonly events: StoredEvent[]
  /** All matching events up to here are in this page or an earlier one: continue after it. */
  readonly scannedTo: Position
}

/**
 * The matching events after a position, in order: at most `limit`, and at most 4 MiB of data unless one event alone
 * is more. May be empty without having reached `upTo`; then continue.
 * @param upTo a position that has been stored, such as the head's: what comes after it is not looked at.
 */
export async function readFilteredPage(
  database: Queryable,
  stream: StreamId,
  after: Position,
  upTo: Position,
  filter: TypeFilter,
  limit: number,
): Promise<FilteredPage> {
  const end = Math.min(upTo, after + SCANNED_EVENTS) as Position
  const { rows } = await database.query<StoredEvent & { found: number }>({
    name: 'sluice-read-filtered-page',
    text: `
      select ${EVENT}, e.found
        from (select ${SIZED}, count(*) over () as found
                from (select e.* from sluice.events e
                       where e.stream_id = $1 and e."position" > $2 and e."position" <= $3
                         and (e.type = any ($4::text[]) or e.type ^@ any ($5::text[]))
                       order by e."position" limit $6) e) e
       where ${fits('$7')} order by e."position"`,
    values: [stream, after, end, filter.exact, filter.prefixes, limit, PAGE_BYTES],
  })
  const events = rows.map(({ found: _, ...event }) => event)
  const found = rows[0]?.found ?? 0
  const last = events.at(-1)
  const cut = found === limit || found > events.length
  return { events, scannedTo: cut && last ? last.position : end }
}
