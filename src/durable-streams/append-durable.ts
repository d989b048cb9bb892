/** The group commit of appends to durable streams: many requests in one statement and one transaction. */
import type { Queryable } from '../database/pool.js'
import { CHUNK } from '../log/chunk-events.js'
import { type Committed, mergedByStream } from '../log/committed.js'
import type { Position, StoredEvent, StreamId } from '../log/event.js'
import type { AppendOutcome, ProducerClaim } from './durable-stream.js'

export interface AppendRequest {
  readonly workspace: string
  readonly stream: string
  readonly actor: string
  /** The media type of the body. */
  readonly mediaType: string
  /** The data of its events; empty: it only closes the stream. */
  readonly chunks: readonly string[]
  readonly close: boolean
  readonly seq: string | undefined
  readonly producer: ProducerClaim | undefined
  readonly traceparent: string | undefined
}

/** The outcome of a request, and the events that it has stored. */
export interface Appended {
  readonly outcome: AppendOutcome
  readonly streamId: StreamId | null
  readonly previous: string | null
  readonly events: readonly StoredEvent[]
  /** Whether this request has closed the stream. */
  readonly closes: boolean
}

interface Row {
  readonly request: number
  readonly outcome: AppendOutcome['outcome']
  readonly streamId: StreamId | null
  readonly tail: Position
  readonly closed: boolean
  readonly epoch: number
  readonly seq: number
  readonly contentType: string
  readonly previous: string | null
  /** A JSON array; null: the request has stored no events. */
  readonly eventIds: string | null
  readonly at: Date
}

/**
 * Stores each request as a whole, or nothing of it.
 * @returns the outcome of each request, in their order.
 * @throws if the statement failed; then nothing of any request is stored, unless the connection broke.
 */
export async function appendDurable(
  client: Queryable,
  requests: readonly AppendRequest[],
): Promise<(Appended | undefined)[]> {
  const chunks = requests.flatMap((request, index) => request.chunks.map(data => ({ data, of: index + 1 })))
  const { rows } = await client.query<Row>({
    name: 'sluice-append-durable',
    text: `
      select a.request, a.outcome, a.stream_id as "streamId", a.tail, a.closed, a.epoch, a.seq, a.content_type as "contentType",
             a.previous, array_to_json(a.event_ids) as "eventIds", a.at
        from sluice.append_durable($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) a`,
    values: [
      requests.map(({ workspace }) => workspace),
      requests.map(({ stream }) => stream),
      requests.map(({ actor }) => actor),
      requests.map(({ mediaType }) => mediaType),
      requests.map(({ seq }) => seq),
      requests.map(({ close }) => close),
      requests.map(({ producer }) => producer?.id),
      requests.map(({ producer }) => producer?.epoch),
      requests.map(({ producer }) => producer?.seq),
      requests.map(request => request.chunks.length),
      requests.map(({ traceparent }) => traceparent),
      chunks.map(({ of }) => of),
      chunks.map(({ data }) => data),
    ],
  })
  const byRequest = new Map(rows.map(row => [row.request, row]))
  return requests.map((request, index) => {
    const row = byRequest.get(index + 1)
    return row && appendedOf(request, row)
  })
}

function appendedOf(request: AppendRequest, row: Row): Appended {
  const { streamId, previous, tail, at, eventIds } = row
  const ids: readonly string[] = eventIds === null ? [] : JSON.parse(eventIds)
  const first = tail - ids.length + 1
  const events = ids.map((eventId, index) => ({
    position: (first + index) as Position,
    eventId,
    at,
    type: CHUNK,
    data: request.chunks[index] ?? '',
    traceparent: request.traceparent ?? null,
  }))
  const outcome = outcomeOf(request, row)
  return { outcome, streamId, previous, events, closes: outcome.outcome === 'stored' && request.close }
}

function outcomeOf({ producer }: AppendRequest, row: Row): AppendOutcome {
  const { outcome, tail, closed, epoch, seq, contentType } = row
  switch (outcome) {
    case 'stored':
      return { outcome, tail, closed, producer: producer && { epoch, seq } }
    case 'duplicate':
      return { outcome, tail, closed, producer: { epoch, seq } }
    case 'closed':
    case 'seq-not-greater':
      return { outcome, tail, closed }
    case 'content-type-differs':
      return { outcome, tail, closed, contentType }
    case 'stale-epoch':
      return { outcome, epoch }
    case 'producer-gap':
      return { outcome, expected: seq, received: producer?.seq ?? 0 }
    default:
      return { outcome }
  }
}

/** The events that the requests of one transaction have stored, by stream. */
export function committedBy(appended: readonly (Appended | undefined)[]): Committed[] {
  return mergedByStream(
    appended.flatMap(each => {
      if (!each || each.streamId === null || each.events.length === 0) return []
      const { streamId, previous, events } = each
      return [{ streamId, way: 'http' as const, previous, events }]
    }),
  )
}
