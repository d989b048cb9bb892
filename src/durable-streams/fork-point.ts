/**
 * Where a fork leaves its source (PROTOCOL §4.2). A fork copies the events up to there, at the same positions and with ids of its own. A
 * sub-offset goes into the messages after the offset: whole ones are copied, and of the last one a part becomes the first event of
 * the fork's own.
 */
import type { WorkspaceClient } from '../database/workspace.js'
import type { Position, StoredEvent, StreamId } from '../log/event.js'
import { EVENT } from '../log/log.js'
import { chunksOf } from './chunk.js'
import { isSameType, JSON_TYPE, mediaTypeOf } from './content-type.js'
import { selectDurable } from './durable-rows.js'
import type { CreateOutcome, DurableStream, ForkRequest } from './durable-stream.js'
import { jsonMessage, messageBytes } from './reading/message.js'

/** The most events that a fork copies: one transaction writes all of them. */
const MAX_FORKED_EVENTS = 100_000
const MAX_FORKED_BYTES = 256 * 1024 * 1024
/** Events that are read at once. */
const PAGE = 64

export interface ForkPoint {
  readonly source: DurableStream
  /** The last event that is copied. */
  readonly copyTo: Position
  /** The data of further events, of a message that is inherited in part. */
  readonly part: readonly string[]
  /** The number and the size of the copied events. */
  readonly copied: Size
}

interface Size {
  readonly events: number
  readonly bytes: number
}

type Refused = Extract<
  CreateOutcome,
  { outcome: `source-${string}` | `offset-${string}` | 'sub-offset-beyond' }
>

/** The source stays locked until the transaction ends, so nothing of it is deleted meanwhile. */
export async function forkPointOf(
  client: WorkspaceClient,
  workspace: string,
  { from, offset, subOffset = 0 }: ForkRequest,
  contentType: string | undefined,
): Promise<ForkPoint | Refused> {
  await client.query({
    name: 'sluice-lock-source',
    text: 'select sluice.lock_source($1, $2)',
    values: [workspace, from],
  })
  const source = (await selectDurable(client, workspace, from))?.found
  if (source === undefined) return { outcome: 'source-not-found' }
  if (source === 'gone') return { outcome: 'source-gone' }
  if (contentType !== undefined && !isSameType(contentType, source.contentType)) {
    return { outcome: 'source-type-differs' }
  }
  const start = offset ?? source.head.position
  if (start > source.head.position) return { outcome: 'offset-beyond-head' }
  if (start < source.base.position) return { outcome: 'offset-below-base' }
  const point = subOffset > 0 ? await within(client, source, start, subOffset) : { copyTo: start, part: [] }
  if (!point) return { outcome: 'sub-offset-beyond' }
  if (point.copyTo - source.base.position > MAX_FORKED_EVENTS) return { outcome: 'source-too-large' }
  const copied = await sizeOf(client, source.streamId, point.copyTo)
  if (copied.bytes > MAX_FORKED_BYTES) return { outcome: 'source-too-large' }
  return { source, ...point, copied }
}

/** Undefined: the source has less. */
async function within(
  client: WorkspaceClient,
  source: DurableStream,
  start: Position,
  subOffset: number,
): Promise<Pick<ForkPoint, 'copyTo' | 'part'> | undefined> {
  const isJson = mediaTypeOf(source.contentType) === JSON_TYPE
  let left = subOffset
  let after = start
  for (;;) {
    const events = await readAfter(client, source.streamId, after)
    if (events.length === 0) return undefined
    for (const event of events) {
      const bytes = isJson ? undefined : messageBytes(event)
      const size = isJson ? (jsonMessage(event) === undefined ? 0 : 1) : (bytes?.length ?? 0)
      if (bytes && size > left)
        return { copyTo: after, part: chunksOf(bytes.subarray(0, left), source.contentType) }
      left -= size
      after = event.position
      if (left === 0) return { copyTo: after, part: [] }
    }
    if (after - start > MAX_FORKED_EVENTS) return undefined
  }
}

async function readAfter(client: WorkspaceClient, stream: StreamId, after: Position): Promise<StoredEvent[]> {
  const { rows } = await client.query<StoredEvent>({
    name: 'sluice-read-fork',
    text: `select ${EVENT} from sluice.events e where e.stream_id = $1 and e."position" > $2 order by e."position" limit ${PAGE}`,
    values: [stream, after],
  })
  return rows
}

/** The sizes are known without reading the data. */
async function sizeOf(client: WorkspaceClient, stream: StreamId, upTo: Position): Promise<Size> {
  const { rows } = await client.query<Size>({
    name: 'sluice-size-fork',
    text: `
      select count(*) as events,
             coalesce(sum(pg_column_size(e.data) + coalesce(pg_column_size(e.attributes), 0)), 0)::bigint as bytes
        from sluice.events e where e.stream_id = $1 and e."position" <= $2`,
    values: [stream, upTo],
  })
  return rows[0] ?? { events: 0, bytes: 0 }
}
