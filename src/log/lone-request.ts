/** A publish request that is alone in its commit: its statement costs a third of the one for a batch (docs/performance.md). */
import type { Queryable } from '../database/pool.js'
import type { AppendRequest, Outcome, PlacedEvent, Refusal } from './append-request.js'
import type { StreamId } from './event.js'

type Row =
  | (PlacedEvent & { refused: null; streamId: StreamId; previous: string | null })
  | { refused: Refusal }

/** Whether it can be stored alone: one event, which is no CloudEvent, and no idempotency key. */
export function isPlain({ idempotency, events }: AppendRequest): boolean {
  return idempotency === undefined && events.length === 1 && (events[0]?.attributes ?? null) === null
}

/**
 * The statement names the table of events, as that of `appendRequests` does, so that it waits for a lock of the whole table as long as a
 * statement may. Within the function only the lock of the stream is waited for, and briefly.
 * @param request see isPlain. @throws as `appendRequests`.
 */
export async function appendPlain(
  client: Queryable,
  { workspace, stream, actor, way, events: [event] }: AppendRequest,
): Promise<Outcome | undefined> {
  const { rows } = await client.query<Row>({
    name: 'sluice-append-request',
    text: `
      select p.stream_id as "streamId", p."position", p.event_id as "eventId", p.at, p.previous, p.refused
        from sluice.append_request($1, $2, $3, $4, $5, $6, $7) p
        left join (select from sluice.events where false) e on true`,
    values: [workspace, stream, actor, event?.type, event?.data, way, event?.traceparent],
  })
  const [row] = rows
  if (!row || row.refused !== null) return row && { refused: row.refused }
  const { streamId, previous, position, eventId, at } = row
  return { refused: null, streamId, replayed: false, previous, events: [{ position, eventId, at }] }
}
