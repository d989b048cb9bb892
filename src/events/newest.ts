/** Where the newest events of some types begin. */
import type { Position, StreamId } from './event.js'
import type { Queryable } from './log.js'
import type { TypeFilter } from './type-filter.js'

/** Older events are not looked at: a rare type must not cost a scan of the whole log. */
const SCANNED_EVENTS = 10_000

/** The position of the `count`-th newest matching event, or of the oldest found; undefined when there is none. */
export async function readNthNewest(
  database: Queryable,
  stream: StreamId,
  count: number,
  filter: TypeFilter,
): Promise<Position | undefined> {
  const { rows } = await database.query<{ position: Position | null }>({
    name: 'sluice-read-nth-newest',
    text: `
      select min(matching."position") as "position"
        from (select e."position"
                from (select e."position", e.type from sluice.events e
                       where e.stream_id = $1 order by e."position" desc limit ${SCANNED_EVENTS}) e
               where e.type = any ($2::text[]) or e.type ^@ any ($3::text[])
               order by e."position" desc limit $4) matching`,
    values: [stream, filter.exact, filter.prefixes, count],
  })
  return rows[0]?.position ?? undefined
}
