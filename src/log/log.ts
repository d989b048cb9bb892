/**
 * The reading side of the log: one statement per function. Positions are dense and in commit order, so a page is
 * contiguous (I3); only retention can move the start of the first one. A log can lose its tail and give the same
 * numbers to other events, so a reader that continues after a position compares the event there with the one that it
 * knows (I4).
 *
 * Each function takes a pool or, to read within a transaction, its client (src/database/pool.ts: `bigint` arrives as
 * a number and `json` as its text).
 */
import type { Database, Queryable } from '../database/pool.js'
import type { Position, StoredEvent, StreamId, StreamName } from './event.js'

/** The last stored event of a stream, or the last one that retention removed. */
export interface Head {
  /** 0 before the first event, with a random UUID. */
  readonly position: Position
  readonly eventId: string
}

/** The stored part of a stream: the events after `base`, up to and including `head`. */
export interface Bounds {
  readonly base: Head
  readonly head: Head
}

/** A place in a stream, and the stored part of the stream, from one snapshot. */
export interface Place extends Bounds {
  /** The UUID of the event there, or of the base; undefined if the log has none: not yet, or no longer. */
  readonly eventId: string | undefined
}

/** The events after a place in a stream, from one snapshot. */
export interface Page {
  /** The UUID of the event at that place, or of the base. Undefined if the log has none there. */
  readonly anchor: string | undefined
  readonly events: readonly StoredEvent[]
}

export interface StreamState {
  readonly id: StreamId
  readonly kind: string
  readonly closedAt: Date | null
}

/** The columns of a StoredEvent, from a row `e`. */
export const EVENT = `e."position", e.event_id as "eventId", e.at, e.type, e.data::text as data, e.attributes::text as attributes, e.traceparent`

/**
 * Limits a page by bytes: the running sum of sizes. Sizes are known without reading the data, because it is stored
 * uncompressed, so Postgres fetches the data of the rows that fit and of no others. The first row always fits: its
 * sum is its own size.
 */
export const SIZE = 'pg_column_size(e.data) + coalesce(pg_column_size(e.attributes), 0)'
export const SIZED = `e.*, sum(${SIZE}) over (order by e."position" rows unbounded preceding) as bytes`
export const fits = (maxBytes: string) => `(e.bytes <= ${maxBytes} or e.bytes = ${SIZE})`

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

/** A stream with its head, from one snapshot. */
export interface StreamWithHead extends StreamState {
  readonly head: Head
  /** Whether retention may soon consider the stream unused; a follower calls `noteUse` to prevent that. */
  readonly unused: boolean
}

export async function findStreamAndHead(
  database: Queryable,
  workspace: string,
  name: string,
): Promise<StreamWithHead | undefined> {
  const { rows } = await database.query<StreamState & Head & { unused: boolean }>({
    name: 'sluice-find-stream-and-head',
    text: `
      select s.id, s.kind, s.closed_at as "closedAt", coalesce(e."position", s.base_position) as "position",
             coalesce(e.event_id, s.base_event_id) as "eventId",
             e."position" is null and s.used_at < now() - interval '24 hours' as unused
        from sluice.streams s
        left join lateral (
               select e."position", e.event_id from sluice.events e
                where e.stream_id = s.id order by e."position" desc limit 1) e on true
       where s.workspace = $1 and s.name = $2`,
    values: [workspace, name],
  })
  return rows.map(({ position, eventId, ...stream }) => ({ ...stream, head: { position, eventId } }))[0]
}

/** Makes retention keep empty streams that a client follows. */
export async function noteUse(database: Database, streams: readonly StreamId[]): Promise<void> {
  await database.query({
    name: 'sluice-use-streams',
    text: 'select sluice.use_streams($1)',
    values: [streams],
  })
}

/**
 * The stream's number; a missing stream is created with the given kind. If it exists, nothing is written, so that a
 * read-only database is enough.
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
  if (!row) throw new Error('sluice.ensure_stream returned no row.')
  return row.id
}

/** @throws if the stream does not exist. */
export async function readHead(database: Queryable, stream: StreamId): Promise<Head> {
  const bounds = await readBounds(database, stream)
  if (!bounds) throw new Error(`There is no stream ${stream}.`)
  return bounds.head
}

export const BOUNDS = `
  s.base_position as "basePosition", s.base_event_id as "baseEventId",
  coalesce(e."position", s.base_position) as "position", coalesce(e.event_id, s.base_event_id) as "eventId"`
export const BOUNDED_STREAM = `
  from sluice.streams s
  left join lateral (
         select e."position", e.event_id from sluice.events e
          where e.stream_id = s.id order by e."position" desc limit 1) e on true
 where s.id = $1`
export type BoundsRow = Record<'basePosition' | 'position', Position> &
  Record<'baseEventId' | 'eventId', string>

/** The UUID at the position $2 of the stream $1: of its event, or of its base. */
export const ANCHOR = `
  coalesce((select e.event_id from sluice.events e where e.stream_id = $1 and e."position" = $2),
           (select s.base_event_id from sluice.streams s where s.id = $1 and s.base_position = $2)) as anchor`

/** Both ends, from one snapshot. Undefined if the stream does not exist, or the number is that of another stream than `named`. */
export async function readBounds(
  database: Queryable,
  stream: StreamId,
  named?: StreamName,
): Promise<Bounds | undefined> {
  const { rows } = await database.query<BoundsRow & StreamName>({
    name: 'sluice-read-bounds',
    text: `select ${BOUNDS}, s.workspace, s.name ${BOUNDED_STREAM}`,
    values: [stream],
  })
  return rows.filter(row => isNamed(row, named)).map(boundsOf)[0]
}

/** Undefined if the stream does not exist, or the number is that of another stream than `named`. */
export async function readPlace(
  database: Queryable,
  stream: StreamId,
  position: Position,
  named?: StreamName,
): Promise<Place | undefined> {
  const { rows } = await database.query<BoundsRow & StreamName & { anchor: string | null }>({
    name: 'sluice-read-place',
    text: `select ${BOUNDS}, ${ANCHOR}, s.workspace, s.name ${BOUNDED_STREAM}`,
    values: [stream, position],
  })
  return rows
    .filter(row => isNamed(row, named))
    .map(row => ({ ...boundsOf(row), eventId: row.anchor ?? undefined }))[0]
}

/** Whether it is the stream of this name. Without a name, every stream is. */
export function isNamed({ workspace, name }: StreamName, named: StreamName | undefined): boolean {
  return !named || (workspace === named.workspace && name === named.name)
}

export function boundsOf({ basePosition, baseEventId, position, eventId }: BoundsRow): Bounds {
  return { base: { position: basePosition, eventId: baseEventId }, head: { position, eventId } }
}

/** Undefined if the log has no event there: not yet, or no longer. */
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
 * The events after a position, in order: at most `limit`, with at most `maxBytes` of data in total, but at least one
 * if there is any. The first one is later than `after + 1` if retention has removed that event.
 */
export async function readPage(
  database: Queryable,
  stream: StreamId,
  after: Position,
  limit: number,
  maxBytes: number,
): Promise<Page> {
  const { rows } = await database.query<PageRow>({
    name: 'sluice-read-page',
    text: `
      select ${ANCHOR}, p.*
        from (values (1)) as one
        left join (
               select ${EVENT}
                 from (select ${SIZED}
                         from (select e.* from sluice.events e
                                where e.stream_id = $1 and e."position" > $2 order by e."position" limit $3) e) e
                where ${fits('$4')}) p on true
       order by p."position"`,
    values: [stream, after, limit, maxBytes],
  })
  return pageOf(rows)
}

/** A row has an event, or there is one row without an event. */
export type PageRow = { anchor: string | null } & (StoredEvent | { position: null })

export function pageOf(rows: readonly PageRow[]): Page {
  const events = rows.flatMap(({ anchor: _, ...event }) => (event.position === null ? [] : [event]))
  return { anchor: rows[0]?.anchor ?? undefined, events }
}
