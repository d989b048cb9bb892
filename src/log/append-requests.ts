/** The group commit: many publish requests in one statement and one transaction. */
import type { Queryable } from '../database/pool.js'
import type { AppendRequest, Outcome, PlacedEvent, Refusal } from './append-request.js'
import { type Committed, mergedByStream, PREVIOUS_AS_COMMITTED } from './committed.js'
import type { StoredEvent, StreamId } from './event.js'
import { appendPlain, isPlain } from './lone-request.js'

type Row = { request: number } & (
  | (PlacedEvent & { refused: null; streamId: StreamId; replayed: boolean; previous: string | null })
  | { refused: Refusal }
)

/**
 * Stores each request as a whole, or refuses it.
 * @returns the outcome of each request, in their order.
 * @throws if the statement failed; then nothing of any request is stored, unless the connection broke.
 */
export async function appendRequests(
  client: Queryable,
  requests: readonly AppendRequest[],
): Promise<(Outcome | undefined)[]> {
  const [first, ...others] = requests
  if (first && others.length === 0 && isPlain(first)) return [await appendPlain(client, first)]
  const events = requests.flatMap((request, index) =>
    request.events.map(event => ({ ...event, of: index + 1 })),
  )
  const { rows } = await client.query<Row>({
    name: 'sluice-append-requests',
    text: `
      select p.request, p.refused, p.replayed, p.stream_id as "streamId", p."position", p.event_id as "eventId", p.at,
             case when row_number() over (partition by p.stream_id, p.replayed order by p."position") = 1
                  then ${PREVIOUS_AS_COMMITTED} end as previous
        from sluice.append_requests($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) p
       order by p."position"`,
    values: [
      requests.map(request => request.workspace),
      requests.map(request => request.stream),
      requests.map(request => request.actor),
      requests.map(request => request.idempotency?.key),
      requests.map(request => request.idempotency?.fingerprint),
      events.map(event => event.of),
      events.map(event => event.type),
      events.map(event => event.data),
      events.map(event => event.attributes),
      requests.map(request => request.way),
      events.map(event => event.traceparent),
    ],
  })
  const answers = new Map<number, Row[]>(requests.map((_, index) => [index + 1, []]))
  for (const row of rows) answers.get(row.request)?.push(row)
  return [...answers.values()].map(outcomeOf)
}

/** Undefined if the request has no row: a fault of the SQL function, which must not fail requests that are committed. */
function outcomeOf(rows: readonly Row[]): Outcome | undefined {
  const [first] = rows
  if (!first || first.refused !== null) return first && { refused: first.refused }
  const events = rows.flatMap(row => (row.refused === null ? [placed(row)] : []))
  const { streamId, replayed, previous } = first
  return { refused: null, streamId, replayed, previous, events }
}

function placed({ position, eventId, at }: PlacedEvent): PlacedEvent {
  return { position, eventId, at }
}

/** The events that the requests of one transaction have stored, by stream. */
export function committedBy(
  requests: readonly AppendRequest[],
  outcomes: readonly (Outcome | undefined)[],
): Committed[] {
  return mergedByStream(
    outcomes.flatMap((outcome, index) => {
      if (outcome?.refused !== null || outcome.replayed) return []
      const { streamId, previous, events } = outcome
      const { way, events: given = [] } = requests[index] ?? {}
      return [{ streamId, way, previous, events: storedAs(given, events) }]
    }),
  )
}

/** The given events at the places that the log has given them. */
export function storedAs(given: AppendRequest['events'], placed: readonly PlacedEvent[]): StoredEvent[] {
  return given.flatMap(({ type, data, attributes = null, traceparent = null }, index) => {
    const place = placed[index]
    if (!place) return []
    // Without a spread, all events have one shape.
    const { position, eventId, at } = place
    return [{ position, eventId, at, type, data, attributes, traceparent }]
  })
}
