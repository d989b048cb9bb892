/**
 * The streams of a workspace, by name. The cost of a page does not depend on the number of stored events: their number is the
 * distance between base and head, and their size is estimated from the newest of them.
 */
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach, type WorkspaceClient } from '../database/workspace.js'
import { type Position, STREAM_NAME_PATTERN } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'
import { cutPage, formatCursor, parseCursor } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import type { StreamDocument } from './stream-document.js'

const NAME = new RegExp(STREAM_NAME_PATTERN)
/** Greater than every character of a name, in the collation "C". */
const AFTER_ALL = '~'
const SAMPLED_EVENTS = 16

export interface StreamPageRequest extends PageRequest {
  /** Only streams whose name begins with this text; default all. */
  readonly prefix?: string | undefined
}

export interface StreamPage {
  readonly streams: StreamDocument[]
  readonly next_cursor: string | null
}

/** The clients of a stream in this process, by its name. */
export type CountClients = (workspace: string, name: string) => number

interface Row {
  readonly name: string
  readonly kind: string
  readonly basePosition: Position
  readonly baseEventId: string
  readonly baseAt: Date | null
  readonly position: Position
  readonly eventId: string
  readonly at: Date | null
  /** The average size of an event; null if there is none. */
  readonly bytes: number | null
  readonly createdAt: Date | null
  readonly closedAt: Date | null
  readonly options: Partial<StreamDocument['options']> | null
}

const SELECT = `
  select s.name, s.kind, s.base_position as "basePosition", s.base_event_id as "baseEventId", s.base_at as "baseAt",
         coalesce(e."position", s.base_position) as "position", coalesce(e.event_id, s.base_event_id) as "eventId",
         coalesce(e.at, s.base_at) as at, e.bytes, s.created_at as "createdAt", s.closed_at as "closedAt", s.options
    from sluice.streams s
    left join lateral (
           select max(n."position") as "position", (array_agg(n.event_id order by n."position" desc))[1] as event_id,
                  max(n.at) as at, avg(pg_column_size(n.data))::float8 as bytes
             from (select n.* from sluice.events n
                    where n.stream_id = s.id order by n."position" desc limit ${SAMPLED_EVENTS}) n) e on true`

/** @throws {Problem} 400 `invalid-cursor`. */
export async function listStreams(
  database: Database,
  within: Reach,
  { limit, cursor, prefix = '' }: StreamPageRequest,
  clients: CountClients,
): Promise<StreamPage> {
  const { workspace } = within
  const after = cursor === undefined ? '' : parseCursor('streams', cursor, NAME)
  const { rows } = await inWorkspace(database, within, client =>
    client.query<Row>({
      name: 'sluice-list-streams',
      text: `${SELECT}
       where s.workspace = $1 and s.name > $2 and s.name >= $3 and s.name < $4 order by s.name limit $5`,
      values: [workspace, after, prefix, `${prefix}${AFTER_ALL}`, limit + 1],
    }),
  )
  const { page, next_cursor } = cutPage(rows, limit, ({ name }) => formatCursor('streams', name))
  const streams = page.map(row => documentOf(row, clients(workspace, row.name)))
  return { streams, next_cursor }
}

/** Undefined if there is none of that name. */
export async function selectStream(
  client: WorkspaceClient,
  workspace: string,
  name: string,
  clients: CountClients,
): Promise<StreamDocument | undefined> {
  const { rows } = await client.query<Row>({
    name: 'sluice-select-stream',
    text: `${SELECT} where s.workspace = $1 and s.name = $2`,
    values: [workspace, name],
  })
  return rows.map(row => documentOf(row, clients(workspace, name)))[0]
}

function documentOf(row: Row, clients: number): StreamDocument {
  const events = row.position - row.basePosition
  return {
    name: row.name,
    kind: row.kind,
    events,
    bytes_estimate: Math.round((row.bytes ?? 0) * events),
    base: { id: formatEventId(row.basePosition, row.baseEventId), at: timeOf(row.baseAt) },
    head: { id: formatEventId(row.position, row.eventId), at: timeOf(row.at) },
    clients_here: clients,
    created_at: timeOf(row.createdAt),
    closed_at: timeOf(row.closedAt),
    options: {
      max_age_seconds: null,
      max_events: null,
      compact_key: null,
      compact_after_seconds: null,
      presence: null,
      ...row.options,
    },
  }
}

function timeOf(time: Date | null): string | null {
  return time?.toISOString() ?? null
}
