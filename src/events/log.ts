/**
 * The reading side of the log: one statement per function. Positions are dense and in commit order, so whatever a
 * page returns is contiguous (I3); only retention can move where the first one starts.
 *
 * Each function takes a pool or, to read within a transaction, a client of one (src/database/pool.ts: `bigint`
 * arrives as a number and `json` as its text).
 */
import type pg from 'pg'
import type { Position, StoredEvent, StreamId } from './event.js'

export type Queryable = pg.Pool | pg.PoolClient

/** The last event of a stream: of the stored ones, or the last that retention removed. */
export interface Head {
  /** 0 before the first event; the UUID is random then. */
  readonly position: Position
  readonly eventId: string
}

/** What is stored of a stream: the events after `base`, up to and including `head`. */
export interface Bounds {
  readonly base: Head
  readonly head: Head
}

export interface StreamState {
  readonly id: StreamId
  readonly kind: string
  readonly closedAt: Date | null
}

/** The columns of a StoredEvent, of a row `e`. */
export const EVENT = `e."position", e.event_id as "eventId", e.at, e.type, e.data::text as data`

/**
 * What cuts a page by bytes: the running sum of sizes. Sizes are known without reading, since data is stored
 * uncompressed, so only the rows that fit have their data fetched. The first row always fits: its sum is its own size.
 */
export const SIZED = `e.*, sum(pg_column_size(e.data)) over (order by e."position" rows unbounded preceding) as bytes`
export const fits = (maxBytes: string) => `(e.bytes <= ${maxBytes} or e.bytes = pg_column_size(e.data))`

export async function findStream(
  database: Queryable,
  workspace: string,
  name: string,
): Promise<StreamState | undefined> {
  const { rows } = await database.query<StreamState>({
    name: 'sluice-find-stream',
    text: `
      select id, kind, closed_at as "closedAt"
        from sluice.streams where workspace = $1 and name = $2`,
    values: [workspace, name],
  })
  return rows[0]
}

/** As `findStream`, and the stream's head of the same snapshot. */
export async function findStreamAndHead(
  database: Queryable,
  workspace: string,
  name: string,
): Promise<(StreamState & { readonly head: Head }) | undefined> {
  const { rows } = await database.query<StreamState & Head>({
    name: 'sluice-find-stream-and-head',
    text: `
      select s.id, s.kind, s.closed_at as "closedAt", coalesce(e."position", s.base_position) as "position",
             coalesce(e.event_id, s.base_event_id) as "eventId"
        from sluice.streams s
        left join lateral (
               select e."position", e.event_id from sluice.events e
                where e.stream_id = s.id order by e."position" desc limit 1) e on true
       where s.workspace = $1 and s.name = $2`,
    values: [workspace, name],
  })
  return rows.map(({ position, eventId, ...stream }) => ({ ...stream, head: { position, eventId } }))[0]
}

/**
 * The stream's number; the stream is created, of that kind, when it is missing. Nothing is written where it exists, so
 * that a read-only database will do.
 */
export async function ensureStream(
  database: Queryable,
  workspace: string,
  name: string,
  kind = 'feed',
): Promise<StreamId> {
  const found = await findStream(database, workspace, name)
  if (found) return found.id
  const { rows } = await database.query<{ id: StreamId }>({
    name: 'sluice-ensure-stream',
    text: 'select sluice.ensure_stream($1, $2, $3) as id',
    values: [workspace, name, kind],
  })
  const [row] = rows
  if (!row) throw new Error('sluice.ensure_stream answered without a row.')
  return row.id
}

/** @throws when there is no such stream. */
export async function readHead(database: Queryable, stream: StreamId): Promise<Head> {
  const bounds = await readBounds(database, stream)
  if (!bounds) throw new Error(`There is no stream ${stream}.`)
  return bounds.head
}

/** Both ends, from one snapshot. Undefined when there is no such stream. */
export async function readBounds(database: Queryable, stream: StreamId): Promise<Bounds | undefined> {
  const { rows } = await database.query<
    Record<'basePosition' | 'position', Position> & Record<'baseEventId' | 'eventId', string>
  >({
    name: 'sluice-read-bounds',
    text: `
      select s.base_position as "basePosition", s.base_event_id as "baseEventId",
             coalesce(e."position", s.base_position) as "position", coalesce(e.event_id, s.base_event_id) as "eventId"
        from sluice.streams s
        left join lateral (
               select e."position", e.event_id from sluice.events e
                where e.stream_id = s.id order by e."position" desc limit 1) e on true
       where s.id = $1`,
    values: [stream],
  })
  const [row] = rows
  return (
    row && {
      base: { position: row.basePosition, eventId: row.baseEventId },
      head: { position: row.position, eventId: row.eventId },
    }
  )
}

/** Undefined when the log has no event there: not yet, or no longer. */
export async function readEvent(
  database: Queryable,
  stream: StreamId,
  position: Position,
): Promise<StoredEvent | undefined> {
  const { rows } = await database.query<StoredEvent>({
    name: 'sluice-read-event',
    text: `select ${EVENT} from sluice.events e where e.stream_id = $1 and e."position" = $2`,
    values: [stream, position],
  })
  return rows[0]
}

/**
 * The events after a position, in order: at most `limit`, and of those as many as have `maxBytes` of data together,
 * but at least one if there is any. The first is later than `after + 1` where retention has removed that one.
 */
export async function readPage(
  database: Queryable,
  stream: StreamId,
  after: Position,
  limit: number,
  maxBytes: number,
): Promise<StoredEvent[]> {
  const { rows } = await database.query<StoredEvent>({
    name: 'sluice-read-page',
    text: `
      select ${EVENT}
        from (select ${SIZED}
                from (select e.* from sluice.events e
                       where e.stream_id = $1 and e."position" > $2 order by e."position" limit $3) e) e
       where ${fits('$4')} order by e."position"`,
    values: [stream, after, limit, maxBytes],
  })
  return rows
}

/** The pages of many streams with one query, ordered by stream and position; limits are those of readPage, for each. */
export async function readTails(
  database: Queryable,
  wants: readonly { readonly streamId: StreamId; readonly after: Position }[],
  limitPerStream: number,
  maxBytesPerStream: number,
): Promise<{ streamId: StreamId; event: StoredEvent }[]> {
  const { rows } = await database.query<StoredEvent & { streamId: StreamId }>({
    name: 'sluice-read-tails',
    text: `
      select w.stream_id as "streamId", ${EVENT}
        from unnest($1::bigint[], $2::bigint[]) as w (stream_id, after)
       cross join lateral (
               select ${SIZED}
                 from (select e.* from sluice.events e
                        where e.stream_id = w.stream_id and e."position" > w.after
                        order by e."position" limit $3) e) e
       where ${fits('$4')} order by w.stream_id, e."position"`,
    values: [
      wants.map(want => want.streamId),
      wants.map(want => want.after),
      limitPerStream,
      maxBytesPerStream,
    ],
  })
  return rows.map(({ streamId, ...event }) => ({ streamId, event }))
}
