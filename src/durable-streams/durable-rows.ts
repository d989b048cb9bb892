/** The facts of a durable stream in the database, read by one statement. */
import type { WorkspaceClient } from '../database/workspace.js'
import type { Position, StreamId } from '../log/event.js'
import { JSON_TYPE } from './content-type.js'
import type { DurableStream, Found, ProducerClaim } from './durable-stream.js'

export interface DurableRow {
  /** Null for a deleted stream that forks need. */
  readonly streamId: StreamId | null
  /** Whether the protocol made it. */
  readonly made: boolean
  readonly found: Found
  /** Whether it has expired and is not deleted yet. */
  readonly expired: boolean
  /** Whether a use has to be noted, because none was for a tenth of its TTL. */
  readonly due: boolean
  /** The fork that its creator asked for, to compare it with a repeated request. */
  readonly fork:
    | { readonly from: string; readonly offset: Position | null; readonly subOffset: number }
    | undefined
}

interface Row {
  readonly streamId: StreamId | null
  readonly kind: string | null
  readonly closed: boolean
  readonly basePosition: Position
  readonly baseEventId: string
  readonly position: Position
  readonly eventId: string
  readonly made: boolean
  readonly deleted: boolean
  readonly contentType: string | null
  readonly ttl: string | null
  readonly expires: string | null
  readonly expiresAt: Date | null
  readonly expired: boolean | null
  readonly due: boolean | null
  readonly forkedFrom: string | null
  readonly forkOffset: Position | null
  readonly forkSubOffset: number | null
}

/** Undefined if the name was never used, or nothing of its stream is left. */
export async function selectDurable(
  client: WorkspaceClient,
  workspace: string,
  name: string,
): Promise<DurableRow | undefined> {
  const { rows } = await client.query<Row>({
    name: 'sluice-select-durable',
    text: `
      select s.id as "streamId", s.kind, s.closed_at is not null as closed, s.base_position as "basePosition",
             s.base_event_id as "baseEventId", coalesce(e."position", s.base_position) as "position",
             coalesce(e.event_id, s.base_event_id) as "eventId", d.name is not null as made, d.deleted_at is not null as deleted, d.content_type as "contentType",
             d.ttl, d.expires, d.expires_at as "expiresAt", d.expires_at <= clock_timestamp() as expired,
             d.expires_at <= clock_timestamp() + least(d.ttl::bigint, 3155760000) * interval '1 s' as due,
             d.forked_from as "forkedFrom", d.fork_offset as "forkOffset", d.fork_sub_offset as "forkSubOffset"
        from (select $1::text as workspace, $2::text as name) n
        left join lateral (select s.* from sluice.streams s where s.workspace = n.workspace and s.name = n.name limit 1) s on true
        left join lateral (
               select d.* from sluice.durable_streams d where d.workspace = n.workspace and d.name = n.name limit 1) d on true
        left join lateral (
               select e."position", e.event_id from sluice.events e
                where e.stream_id = s.id order by e."position" desc limit 1) e on true`,
    values: [workspace, name],
  })
  const [row] = rows
  if (!row || (row.streamId === null && !row.made)) return undefined
  const fork =
    row.forkedFrom === null
      ? undefined
      : { from: row.forkedFrom, offset: row.forkOffset, subOffset: row.forkSubOffset ?? 0 }
  const { streamId, made } = row
  if (streamId === null || row.deleted)
    return { streamId: null, made, found: 'gone', expired: false, due: false, fork }
  const expired = row.expired ?? false
  const found = expired ? undefined : streamOf(name, { ...row, streamId })
  return { streamId, made, found, expired, due: row.due ?? false, fork }
}

/** Whether the stream has stored this request of the producer, or a later one. */
export async function isStoredBy(
  client: WorkspaceClient,
  workspace: string,
  name: string,
  { id, epoch, seq }: ProducerClaim,
): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'sluice-find-producer',
    text: `
      select from sluice.streams s
        join lateral (
               select p.epoch, p.seq from sluice.durable_producers p where p.stream_id = s.id and p.producer = $3 limit 1) p on true
       where s.workspace = $1 and s.name = $2 and p.epoch = $4 and p.seq >= $5`,
    values: [workspace, name, id, epoch, seq],
  })
  return rowCount === 1
}

function streamOf(name: string, row: Row & { readonly streamId: StreamId }): DurableStream {
  return {
    name,
    streamId: row.streamId,
    contentType: row.contentType ?? JSON_TYPE,
    ttl: row.ttl ?? undefined,
    expires: row.expires ?? undefined,
    expiresAt: row.expiresAt ?? undefined,
    closed: row.closed,
    head: { position: row.position, eventId: row.eventId },
    base: { position: row.basePosition, eventId: row.baseEventId },
    forkedFrom: row.forkedFrom ?? undefined,
    made: row.made,
    owned: row.kind !== 'feed' || isOwned(name),
  }
}

/** Whether a stream of this name belongs to another part of Sluice, so that the protocol may only read it. */
export function isOwned(name: string): boolean {
  return name === 'feed' || name.startsWith('job:') || name.startsWith('presence:')
}
