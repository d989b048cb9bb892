/** The pull consumers of a workspace with their lag. Two index probes for each row: the end of its stream, and the event after its cursor. */
import type { WorkspaceClient } from '../database/workspace.js'
import type { Position } from '../log/event.js'
import { cutPage, formatCursor, parseCursor } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import type { Consumer } from './consumer.js'
import type { Lag } from './consumer-document.js'
import { CONSUMER, type ConsumerRow, consumerOf } from './consumer-rows.js'

const NAME = /^[A-Za-z0-9._-]{1,100}$/

export interface LaggingConsumer {
  readonly consumer: Consumer
  readonly lag: Lag
}

interface LagRow {
  /** The head of the stream; null if it was deleted. */
  readonly head: Position | null
  readonly lagSeconds: number | null
}

const SELECT = `
  select ${CONSUMER}, coalesce(h."position", s.base_position) as head,
         extract(epoch from clock_timestamp() - n.at)::float8 as "lagSeconds"
    from sluice.consumers c
    left join lateral (select s.id, s.base_position from sluice.streams s where s.id = c.stream_id limit 1) s on true
    left join lateral (
           select e."position" from sluice.events e where e.stream_id = s.id order by e."position" desc limit 1) h on true
    left join lateral (
           select e.at from sluice.events e
            where e.stream_id = s.id and e."position" > c.cursor_position order by e."position" limit 1) n on true`

/** Undefined if there is none of that name in the part of the workspace that the transaction may read. */
export async function selectConsumer(
  client: WorkspaceClient,
  workspace: string,
  name: string,
): Promise<LaggingConsumer | undefined> {
  const { rows } = await client.query<ConsumerRow & LagRow>({
    name: 'sluice-select-consumer',
    text: `${SELECT} where c.workspace = $1 and c.name = $2 and c.kind = 'pull'`,
    values: [workspace, name],
  })
  return rows.map(laggingOf)[0]
}

/** By name. @throws {Problem} 400 `invalid-cursor`. */
export async function selectConsumers(
  client: WorkspaceClient,
  workspace: string,
  { limit, cursor }: PageRequest,
): Promise<{ readonly rows: readonly LaggingConsumer[]; readonly next_cursor: string | null }> {
  const after = cursor === undefined ? '' : parseCursor('consumers', cursor, NAME)
  const { rows } = await client.query<ConsumerRow & LagRow>({
    name: 'sluice-list-consumers',
    text: `${SELECT} where c.workspace = $1 and c.name > $2 and c.kind = 'pull' order by c.name limit $3`,
    values: [workspace, after, limit + 1],
  })
  const { page, next_cursor } = cutPage(rows, limit, ({ name }) => formatCursor('consumers', name))
  return { rows: page.map(laggingOf), next_cursor }
}

function laggingOf({ head, lagSeconds, ...row }: ConsumerRow & LagRow): LaggingConsumer {
  const consumer = consumerOf(row)
  return { consumer, lag: lagOf(consumer.cursor.position, head, lagSeconds) }
}

/** @param head null without a stream. @param seconds the age of the first event after the cursor; null if there is none. */
export function lagOf(cursor: Position, head: Position | null, seconds: number | null): Lag {
  return {
    events: Math.max(0, (head ?? cursor) - cursor),
    // The clock of the server may have been set back since.
    seconds: Math.max(0, Math.floor(seconds ?? 0)),
  }
}
