/** The group commit: many publish requests in one statement and one transaction. */
import type { Queryable } from '../database/pool.js'
import type { Position, StreamId } from './event.js'
import type { Idempotency } from './idempotency.js'

export interface AppendRequest {
  readonly workspace: string
  readonly stream: string
  readonly actor: string
  readonly idempotency: Idempotency | undefined
  /** One or more; `data` is JSON text. */
  readonly events: readonly { readonly type: string; readonly data: string }[]
}

export interface PlacedEvent {
  readonly position: Position
  readonly eventId: string
  readonly at: Date
}

export type Refusal = 'stream-closed' | 'idempotency-key-reused' | 'too-many-stored-streams'

export type Outcome =
  | { readonly refused: Refusal }
  | {
      readonly refused: null
      readonly streamId: StreamId
      /** Whether this is the result of an earlier request with the same key. */
      readonly replayed: boolean
      readonly events: readonly PlacedEvent[]
    }

type Row = { request: number } & (
  | (PlacedEvent & { refused: null; streamId: StreamId; replayed: boolean })
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
  const events = requests.flatMap((request, index) =>
    request.events.map(event => ({ ...event, of: index + 1 })),
  )
  const { rows } = await client.query<Row>({
    name: 'sluice-append-requests',
    text: `
      select request, refused, replayed, stream_id as "streamId", "position", event_id as "eventId", at
        from sluice.append_requests($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [
      requests.map(request => request.workspace),
      requests.map(request => request.stream),
      requests.map(request => request.actor),
      requests.map(request => request.idempotency?.key),
      requests.map(request => request.idempotency?.fingerprint),
      events.map(event => event.of),
      events.map(event => event.type),
      events.map(event => event.data),
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
  return { refused: null, streamId: first.streamId, replayed: first.replayed, events }
}

function placed({ position, eventId, at }: PlacedEvent): PlacedEvent {
  return { position, eventId, at }
}
