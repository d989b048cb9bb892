/** The facts about the explained event in the log, read by one statement. */
import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { COMPACTED, type Position, type StreamId, type Way } from '../log/event.js'
import { checkOf, type EventId, formatEventId } from '../log/event-id.js'

/** The event is stored, perhaps without its data. */
export interface StoredFacts {
  readonly found: 'stored'
  readonly id: string
  readonly stream: string
  readonly streamId: StreamId
  readonly position: Position
  readonly eventId: string
  readonly at: Date
  readonly type: string
  readonly data: string
  readonly attributes: string | null
  readonly actor: string | null
  /** How it was published; null for an event from before that was recorded. */
  readonly way: Way | null
  readonly traceparent: string | null
  readonly redactedAt: Date | null
  /** Null unless the database records it. */
  readonly committedAt: Date | null
}

export type EventFacts =
  | StoredFacts
  /** The workspace has no stream of this name, or no longer. */
  | { readonly found: 'no-stream'; readonly stream: string }
  /** The stream has had no event at this position yet. */
  | { readonly found: 'ahead'; readonly stream: string; readonly head: string }
  /** The event at this position is another one: the log has lost its tail, or the id was invented. */
  | { readonly found: 'other'; readonly stream: string; readonly id: string }
  /** Retention has removed everything up to `base`. */
  | { readonly found: 'removed'; readonly stream: string; readonly position: Position; readonly base: string }

/** The bounds of the stream, and the event; without an event, all of it but the number of the stream is null. */
interface Row extends Omit<StoredFacts, 'found' | 'id' | 'stream' | 'position' | 'eventId' | 'committedAt'> {
  readonly base: Position
  readonly baseEventId: string
  readonly head: Position
  readonly headEventId: string
  readonly eventId: string | null
}

/** Nothing of another workspace: an event of one is as one that has never existed. */
export async function readEventFacts(
  database: Database,
  workspace: string,
  stream: string,
  { position, check }: EventId,
): Promise<EventFacts> {
  const { rows } = await inWorkspace(database, workspace, client =>
    client.query<Row>({
      name: 'sluice-explain-event',
      text: `
        select s.id as "streamId", s.base_position as base, s.base_event_id as "baseEventId",
               coalesce(h."position", s.base_position) as head, coalesce(h.event_id, s.base_event_id) as "headEventId",
               e.event_id as "eventId", e.at, e.type, e.data::text as data, e.attributes::text as attributes, e.actor, e.way, e.traceparent,
               e.redacted_at as "redactedAt"
          from sluice.streams s
          left join sluice.events e on e.stream_id = s.id and e."position" = $3
          left join lateral (
                 select n."position", n.event_id from sluice.events n
                  where n.stream_id = s.id order by n."position" desc limit 1) h on true
         where s.workspace = $1 and s.name = $2`,
      values: [workspace, stream, position],
    }),
  )
  const [row] = rows
  if (!row) return { found: 'no-stream', stream }
  const { base, baseEventId, head, headEventId, eventId, ...event } = row
  if (eventId === null) {
    return position <= base
      ? { found: 'removed', stream, position, base: formatEventId(base, baseEventId) }
      : { found: 'ahead', stream, head: formatEventId(head, headEventId) }
  }
  const id = formatEventId(position, eventId)
  if (check !== undefined && check !== checkOf(eventId)) return { found: 'other', stream, id }
  const committedAt = await readCommitTime(database, event.streamId, position)
  return { found: 'stored', id, stream, position, eventId, committedAt, ...event }
}

/** Without a workspace: the function is not for requests, which have found the event by then. */
async function readCommitTime(
  database: Database,
  stream: StreamId,
  position: Position,
): Promise<Date | null> {
  const { rows } = await database.query<{ at: Date | null }>({
    name: 'sluice-committed-at',
    text: 'select sluice.committed_at($1, $2) as at',
    values: [stream, position],
  })
  return rows[0]?.at ?? null
}

/** Whether compaction has removed its type and data. */
export function isCompacted({ type }: StoredFacts): boolean {
  return type === COMPACTED
}
