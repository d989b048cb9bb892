/** The newest events that match a filter, and where they start. */
import type { Queryable } from '../database/pool.js'
import { COMPACTED, type Position, type StoredEvent, type StreamId } from './event.js'
import type { EventFilter } from './event-filter.js'
import { EVENT, SIZE } from './log.js'
import { readNthNewestByContent, SCANNED_EVENTS } from './newest-by-content.js'

/** The position of the `count`-th newest matching event, or of the oldest found; undefined if there is none. */
export async function readNthNewest(
  database: Queryable,
  stream: StreamId,
  count: number,
  filter: EventFilter,
): Promise<Position | undefined> {
  if (filter.where) return readNthNewestByContent(database, stream, count, filter, filter.where)
  const { rows } = await database.query<{ position: Position | null }>({
    name: 'sluice-read-nth-newest',
    text: `
      select min(matching."position") as "position"
        from (select e."position"
                from (select e."position", e.type from sluice.events e
                       where e.stream_id = $1 order by e."position" desc limit ${SCANNED_EVENTS}) e
               where (e.type = any ($2::text[]) or e.type ^@ any ($3::text[])) and e.type <> '${COMPACTED}'
               order by e."position" desc limit $4) matching`,
    values: [stream, filter.types.exact, filter.types.prefixes, count],
  })
  return rows[0]?.position ?? undefined
}

/** The newest events of given types, in order. */
export interface Newest {
  readonly events: StoredEvent[]
  /** Whether there are older events of these types. */
  readonly truncated: boolean
}

/** Reads up to and including `upTo`, at most `limit` events and `maxBytes` of data. */
export async function readNewest(
  database: Queryable,
  stream: StreamId,
  types: readonly string[],
  upTo: Position,
  limit: number,
  maxBytes: number,
): Promise<Newest> {
  const { rows } = await database.query<StoredEvent & { found: number }>({
    name: 'sluice-read-newest',
    text: `
      select ${EVENT}, found
        from (select e.*, count(*) over () as found, row_number() over newest as place,
                     sum(${SIZE}) over newest as bytes
                from (select e.* from sluice.events e
                       where e.stream_id = $1 and e."position" <= $2 and e.type = any ($3::text[])
                       order by e."position" desc limit $4 + 1) e
              window newest as (order by e."position" desc rows unbounded preceding)) e
       where e.place <= $4 and e.bytes <= $5 order by e."position"`,
    values: [stream, upTo, types, limit, maxBytes],
  })
  const events = rows.map(({ found: _, ...event }) => event)
  return { events, truncated: (rows[0]?.found ?? 0) > rows.length }
}
