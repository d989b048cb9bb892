/** Adds to a history the events that the table holds after the run, as clients should have got them. */
import type { Database } from '../../src/database/pool.js'
import type { Position, StreamId } from '../../src/log/event.js'
import { COMPACTED } from '../../src/log/event.js'
import { formatEventId } from '../../src/log/event-id.js'
import { fingerprint } from './fingerprint.js'
import type { EntryOf } from './history.js'
import { JOB_ENDS } from './job-check.js'
import type { Recorder } from './recorder.js'

const PAGE = 5_000

export interface TableEvent {
  readonly position: Position
  readonly id: string
  readonly eventId: string
  readonly type: string
  readonly data: string
  readonly at: Date
}

interface Stored extends Omit<TableEvent, 'id'> {
  readonly actor: string | null
  readonly redactedAt: Date | null
}

interface Stream {
  readonly id: StreamId
  readonly name: string
  readonly kind: string
  readonly base: Position
  readonly baseId: string
}

/** docs/protocol.md: of SSE the parts, with line ends as an SSE parser gives them; of NDJSON the line. */
export const WRITTEN = {
  'text/event-stream': ({ id, type, data }) => `${id} ${type} ${data.replace(/\r\n|\r/g, '\n')}`,
  'application/x-ndjson': ({ id, position, type, at, eventId, data }) =>
    `{"id":"${id}","position":${position},"type":"${type}","at":"${at.toISOString()}","event_id":"${eventId}","data":${data.replace(/[\r\n]+/g, ' ')}}`,
  /** What the data says, however its text is written: for clients of one consumer that read in several forms. */
  value: ({ id, type, data }) => `${id} ${type} ${JSON.stringify(JSON.parse(data))}`,
  /** docs/webhooks.md: the `webhook-id` and the event id, then the body. Of a CloudEvent its type and its data (webhook-request.ts). */
  webhook: ({ eventId, id, type, at, data }) =>
    `${eventId} ${id} {"type":"${type}","timestamp":"${at.toISOString()}","data":${data}}`,
  'webhook cloudevent': ({ eventId, id, type, data }) => `${eventId} ${id} ${type} ${data}`,
} satisfies Readonly<Record<string, (event: TableEvent) => string>>

/** By form, the text of an event; undefined for an event that the form does not show. */
export type Forms = Readonly<Record<string, (event: TableEvent) => string | undefined>>

export interface RecordTableOptions {
  readonly pool: Database
  readonly recorder: Pick<Recorder, 'write'>
  /** Default: those of our own streams. */
  readonly forms?: Forms
  /** The mark of the publisher in the data of an event, if it has one. Default: the member `marker`. */
  readonly markOf?: (data: string) => string | undefined
}

export async function recordTable(options: RecordTableOptions): Promise<void> {
  const { rows } = await options.pool.query<Stream>(
    `select id, workspace || '/' || name as name, kind, base_position as base, base_event_id as "baseId"
       from sluice.streams where workspace <> '$system' order by id`,
  )
  for (const stream of rows) await recordStream(stream, options)
}

async function recordStream(
  stream: Stream,
  { pool, recorder, forms, markOf }: RecordTableOptions,
): Promise<void> {
  const terminal = stream.kind === 'job' ? { terminal: JOB_ENDS } : {}
  recorder.write({
    k: 'log',
    stream: stream.name,
    base: formatEventId(stream.base, stream.baseId),
    ...terminal,
  })
  for (let after = stream.base, page = PAGE; page === PAGE; ) {
    const { rows } = await pool.query<Stored>(
      `select "position", event_id as "eventId", type, data, at, actor, redacted_at as "redactedAt" from sluice.events
        where stream_id = $1 and "position" > $2 order by "position" limit ${PAGE}`,
      [stream.id, after],
    )
    page = rows.length
    for (const row of rows) {
      after = row.position
      recorder.write(rowOf(stream, row, { ...(forms && { forms }), ...(markOf && { markOf }) }))
    }
  }
}

function rowOf(
  { name, kind }: Pick<Stream, 'name' | 'kind'>,
  stored: Stored,
  { forms = WRITTEN, markOf = markerIn }: Pick<RecordTableOptions, 'forms' | 'markOf'>,
): EntryOf<'row'> {
  const event = { ...stored, id: formatEventId(stored.position, stored.eventId) }
  const { type, data, actor, redactedAt } = stored
  const mark = markOf(data)
  const isStart = kind === 'job' && type === 'job.started' && !redactedAt
  return {
    k: 'row',
    stream: name,
    id: event.id,
    type,
    h: hashesOf(event, forms),
    ...(mark !== undefined && { mark }),
    ...(type === COMPACTED && { changed: true as const }),
    ...(redactedAt && { redacted: redactedAt.getTime() }),
    ...(kind === 'job' && actor !== null && { by: actor }),
    ...(isStart && { attempt: (JSON.parse(data) as { attempt: number }).attempt }),
  }
}

/** By form, the fingerprint of the event as a client gets it. */
export function hashesOf(event: TableEvent, forms: Forms): Record<string, string> {
  const written = Object.entries(forms).flatMap(([form, write]) => {
    const text = write(event)
    return text === undefined ? [] : [[form, fingerprint(text)] as const]
  })
  return Object.fromEntries(written)
}

/** The mark of its publisher, also in a message of a durable stream. */
export function markerIn(data: string): string | undefined {
  const { marker, json } = JSON.parse(data)
  const mark = marker ?? json?.marker
  return typeof mark === 'string' ? mark : undefined
}
