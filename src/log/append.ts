/** Appends one event inside the caller's own short transaction, or in one of its own. */
import type { Queryable } from '../database/pool.js'
import { PREVIOUS } from './committed.js'
import type { Position, StreamId, Way } from './event.js'

export interface Appended {
  readonly streamId: StreamId
  readonly position: Position
  readonly eventId: string
  readonly at: Date
  /** UUID of the event before it; null if unknown. */
  readonly previous: string | null
}

/**
 * @param data JSON text of an object.
 * @param actor the principal who caused it.
 * @throws SQLSTATE SL001 if the stream is closed, SL002 for an illegal event, 40001 under a snapshot that is older
 *   than the stream's tail.
 */
export async function append(
  database: Queryable,
  workspace: string,
  stream: string,
  type: string,
  data: string,
  actor: string,
  { way, traceparent }: { readonly way?: Way; readonly traceparent?: string | undefined } = {},
): Promise<Appended> {
  const { rows } = await database.query<Appended>({
    name: 'sluice-append',
    text: `select p.stream_id as "streamId", p."position", p.event_id as "eventId", p.at, ${PREVIOUS} as previous
             from sluice.append($1, $2, $3, $4::json, $5, $6, $7) p`,
    values: [workspace, stream, type, data, actor, traceparent, way],
  })
  const [appended] = rows
  if (!appended) throw new Error('sluice.append returned no row.')
  return appended
}
