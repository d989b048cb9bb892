/** The tailer's read: the new events after the heads of many streams, whether the log still has those heads, and whether it takes more. */
import type { Queryable } from '../database/pool.js'
import { uuidArray } from '../database/uuid-array.js'
import type { StoredEvent, StreamId } from './event.js'
import { EVENT, fits, type Head, SIZE } from './log.js'

export interface TailWanted {
  readonly streamId: StreamId
  readonly after: Head
}

export interface Tail {
  readonly streamId: StreamId
  /** Whether the log has that head: its event, or the base if retention has removed everything up to it. */
  readonly continues: boolean
  /** Events after the head's position, in order. */
  readonly events: readonly StoredEvent[]
  /** Whether the stream is closed: it has no events beyond these, unless they are as many as the limits allow. */
  readonly closed: boolean
}

type Row = { readonly streamId: StreamId; readonly lost: boolean; readonly closed: boolean } & (
  | StoredEvent
  | { readonly position: null }
)

/** For fewer streams, a second query costs more than it saves. */
const MANY = 100

/**
 * As `readTails`, for streams of which most have not changed, as in a poll: a query first finds the others, with one probe of an
 * index for each.
 */
export async function readChangedTails(
  database: Queryable,
  all: readonly TailWanted[],
  limitPerStream: number,
  maxBytesPerStream: number,
): Promise<Tail[]> {
  const changed = all.length < MANY ? all : await findChanged(database, all)
  return changed.length === 0 ? [] : await readTails(database, changed, limitPerStream, maxBytesPerStream)
}

/**
 * Those that do not end with the head, and those that are closed. An event keeps its UUID and its place, so a log that ends with
 * the head has not changed. No probe looks before the head, where an old snapshot may keep what retention has removed.
 */
async function findChanged(database: Queryable, all: readonly TailWanted[]): Promise<TailWanted[]> {
  const { rows } = await database.query<{ id: StreamId }>({
    name: 'sluice-find-changed',
    text: `
      select w.stream_id as id from unnest($1::bigint[], $2::bigint[], $3::uuid[]) as w (stream_id, after, event_id)
       where coalesce(
               (select e.event_id from sluice.events e
                 where e.stream_id = w.stream_id and e."position" >= w.after order by e."position" desc limit 1),
               (select s.base_event_id from sluice.streams s where s.id = w.stream_id and s.base_position = w.after)
             ) is distinct from w.event_id
       union all
      select s.id from sluice.streams s where s.id = any ($1::bigint[]) and s.closed_at is not null`,
    values: [
      arrayOf(all.map(({ streamId }) => streamId)),
      arrayOf(all.map(({ after }) => after.position)),
      uuidArray(all.map(({ after }) => after.eventId)),
    ],
  })
  const changed = new Set(rows.map(({ id }) => id))
  return all.filter(({ streamId }) => changed.has(streamId))
}

/** An array in Postgres' text form: the driver would quote each of thousands of elements. */
function arrayOf(numbers: readonly number[]): string {
  return `{${numbers.join()}}`
}

/**
 * The tails of the streams that have new events, a lost head or an end, with one query; the limits are those of `readPage`,
 * for each. One probe of the index finds the head and its successors; only if the head is missing does the query look
 * at the base. All of it is one snapshot, so no other head can appear in between.
 */
export async function readTails(
  database: Queryable,
  wanted: readonly TailWanted[],
  limitPerStream: number,
  maxBytesPerStream: number,
): Promise<Tail[]> {
  const { rows } = await database.query<Row>({
    name: 'sluice-read-tails',
    text: `
      select w.stream_id as "streamId", seen.lost, false as closed, ${EVENT}, e.way
        from unnest($1::bigint[], $2::bigint[], $3::uuid[]) as w (stream_id, after, event_id)
        left join lateral (
               select e.*, row_number() over so_far as place,
                      sum(case when e."position" > w.after then ${SIZE} else 0 end) over so_far as bytes
                 from (select e.* from sluice.events e
                        where e.stream_id = w.stream_id and e."position" >= w.after
                        order by e."position" limit $4::int + 1) e
               window so_far as (order by e."position" rows unbounded preceding)) e on true
       cross join lateral (
               select case when e."position" = w.after then e.event_id <> w.event_id
                           when e.place > 1 then false
                           else w.event_id is distinct from (
                                  select s.base_event_id from sluice.streams s
                                   where s.id = w.stream_id and s.base_position = w.after) end as lost) seen
       where (seen.lost or e."position" > w.after) and (e."position" is null or ${fits('$5')})
       union all
      select s.id, false, true, null, null, null, null, null, null, null, null
        from unnest($1::bigint[]) as w (stream_id)
       cross join lateral (
               select s.id from sluice.streams s where s.id = w.stream_id and s.closed_at is not null limit 1) s
       order by 1, 4`,
    values: [
      wanted.map(({ streamId }) => streamId),
      wanted.map(({ after }) => after.position),
      wanted.map(({ after }) => after.eventId),
      limitPerStream,
      maxBytesPerStream,
    ],
  })
  return tailsOf(rows)
}

/** How many events the log has beyond each place, by stream. One probe of the index for each. */
export async function countBeyond(
  database: Queryable,
  places: readonly TailWanted[],
): Promise<Map<StreamId, number>> {
  const { rows } = await database.query<{ streamId: StreamId; events: number }>({
    name: 'sluice-count-beyond',
    text: `
      select w.stream_id as "streamId", greatest(e."position" - w.after, 0) as events
        from unnest($1::bigint[], $2::bigint[]) as w (stream_id, after)
       cross join lateral (
               select e."position" from sluice.events e
                where e.stream_id = w.stream_id order by e."position" desc limit 1) e`,
    values: [places.map(({ streamId }) => streamId), places.map(({ after }) => after.position)],
  })
  return new Map(rows.map(({ streamId, events }) => [streamId, events]))
}

function tailsOf(rows: readonly Row[]): Tail[] {
  const tails = new Map<
    StreamId,
    { -readonly [Member in keyof Tail]: Tail[Member] } & { events: StoredEvent[] }
  >()
  for (const { streamId, lost, closed, ...event } of rows) {
    const tail = tails.get(streamId) ?? { streamId, continues: true, events: [], closed: false }
    tails.set(streamId, tail)
    if (lost) tail.continues = false
    else if (closed) tail.closed = true
    else if (event.position !== null) tail.events.push(event)
  }
  return [...tails.values()]
}
