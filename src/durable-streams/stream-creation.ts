/**
 * Creates streams, and forks of streams, in one transaction with its entry in the audit log. The database decides only who is first;
 * whether an existing stream is the one that the caller asks for is decided here.
 */
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import { CHUNK } from '../log/chunk-events.js'
import type { Position, StoredEvent, StreamId } from '../log/event.js'
import { problemOf } from '../log/publish-problem.js'
import { chunksOf } from './chunk.js'
import { DEFAULT_TYPE, isSameType, JSON_TYPE } from './content-type.js'
import { type DurableRow, isOwned, selectDurable } from './durable-rows.js'
import type { CreateOutcome, CreateRequest, DurableStream } from './durable-stream.js'
import { type ForkPoint, forkPointOf } from './fork-point.js'

export interface Creation {
  readonly outcome: CreateOutcome
  /** The number of an expired stream of this name, which was deleted, even if the creation was refused then. */
  readonly removed?: StreamId | undefined
  readonly stored?: { readonly streamId: StreamId; readonly events: readonly StoredEvent[] } | undefined
}

interface CreationOptions {
  readonly traceparent: string | undefined
  /** Called before anything is stored, with the number of all events, and the bytes of those that a fork copies. */
  admit(stored: { readonly events: number; readonly bytes: number }): Promise<void> | undefined
}

/** @throws {Problem} 429 `too-many-stored-streams`; what `chunksOf` and `admit` throw; the faults of the database. */
export async function createStream(
  database: Database,
  author: Origin,
  name: string,
  request: CreateRequest,
  options: CreationOptions,
): Promise<Creation> {
  if (isOwned(name)) return { outcome: { outcome: 'owned' } }
  try {
    for (;;) {
      const creation = await inWorkspace(database, author.workspace, client =>
        attempt(client, author, name, request, options),
      )
      if (creation) return creation
    }
  } catch (error) {
    throw problemOf(error)
  }
}

/** Undefined: another transaction has created the stream meanwhile. */
async function attempt(
  client: WorkspaceClient,
  author: Origin,
  name: string,
  request: CreateRequest,
  { traceparent, admit }: CreationOptions,
): Promise<Creation | undefined> {
  const { workspace } = author
  const known = await selectDurable(client, workspace, name)
  if (known?.found === 'gone') return { outcome: { outcome: 'gone' } }
  if (known?.found) return { outcome: existing(known.found, known, request) }
  const removed = known?.expired ? await removeExpired(client, workspace, name) : undefined
  const point = request.fork && (await forkPointOf(client, workspace, request.fork, request.contentType))
  if (point && 'outcome' in point) return { outcome: point, removed }
  const contentType = request.contentType ?? point?.source.contentType ?? DEFAULT_TYPE
  const chunks = [...(point?.part ?? []), ...chunksOf(request.body ?? Buffer.alloc(0), contentType)]
  const { events: copies = 0, bytes = 0 } = point?.copied ?? {}
  await admit({ events: copies + chunks.length, bytes })
  const rows = await insert(client, author, name, { request, point, contentType, chunks, traceparent })
  const [first] = rows
  if (!first) return undefined
  const stream = (await selectDurable(client, workspace, name))?.found
  // With a TTL of 0 it has expired already.
  const made =
    stream === undefined || stream === 'gone' ? goneAlready(name, first, request, contentType) : stream
  await recordAudit(client, {
    ...author,
    action: 'stream.created',
    details: { stream: name, content_type: contentType, ...(point && { forked_from: point.source.name }) },
  })
  const events = rows.flatMap(({ position, eventId, at }, index) =>
    position === null || eventId === null || at === null
      ? []
      : [{ position, eventId, at, type: CHUNK, data: chunks[index] ?? '', traceparent: traceparent ?? null }],
  )
  return {
    outcome: { outcome: 'created', stream: made },
    removed,
    stored: { streamId: first.streamId, events },
  }
}

interface Placed {
  readonly streamId: StreamId
  readonly position: Position | null
  readonly eventId: string | null
  readonly at: Date | null
}

interface NewStream {
  readonly request: CreateRequest
  readonly point: ForkPoint | undefined
  readonly contentType: string
  readonly chunks: readonly string[]
  readonly traceparent: string | undefined
}

async function insert(
  client: WorkspaceClient,
  { workspace, principal }: Origin,
  name: string,
  { request, point, contentType, chunks, traceparent }: NewStream,
): Promise<Placed[]> {
  const inherits = point && request.ttl === undefined && request.expires === undefined
  const { rows } = await client.query<Placed>({
    name: 'sluice-create-durable',
    text: `
      select c.stream_id as "streamId", c."position", c.event_id as "eventId", c.at
        from sluice.create_durable($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) c
       order by c."position"`,
    values: [
      workspace,
      name,
      contentType,
      inherits ? point.source.ttl : request.ttl,
      inherits ? point.source.expires : request.expires?.text,
      inherits
        ? point.source.expires === undefined
          ? undefined
          : point.source.expiresAt
        : request.expires?.at,
      request.closed ?? false,
      point?.source.streamId,
      point?.copyTo,
      point?.source.name,
      request.fork?.offset,
      request.fork?.subOffset ?? 0,
      chunks,
      principal,
      traceparent,
    ],
  })
  return rows
}

async function removeExpired(
  client: WorkspaceClient,
  workspace: string,
  name: string,
): Promise<StreamId | undefined> {
  const { rows } = await client.query<{ id: StreamId | null }>({
    name: 'sluice-remove-durable',
    text: 'select r.stream_id as id from sluice.remove_durable($1, $2) r',
    values: [workspace, name],
  })
  return rows[0]?.id ?? undefined
}

/** Whether the stream is the one that the request asks for (PROTOCOL §5.1). */
function existing(stream: DurableStream, { fork }: DurableRow, request: CreateRequest): CreateOutcome {
  const what = differenceOf(stream, fork, request)
  return what === undefined ? { outcome: 'exists', stream } : { outcome: 'differs', what }
}

function differenceOf(
  stream: DurableStream,
  fork: DurableRow['fork'],
  request: CreateRequest,
): 'content-type' | 'expiry' | 'closed' | 'fork' | undefined {
  const asked = request.fork
  const type = request.contentType ?? (asked ? stream.contentType : stream.made ? DEFAULT_TYPE : JSON_TYPE)
  if (!isSameType(stream.contentType, type)) return 'content-type'
  const isSameFork =
    asked?.from === fork?.from &&
    (asked?.offset ?? null) === (fork?.offset ?? null) &&
    (asked?.subOffset ?? 0) === (fork?.subOffset ?? 0)
  if (!isSameFork) return 'fork'
  // A fork that names no expiry has that of its source.
  const inherits = asked && request.ttl === undefined && request.expires === undefined
  if (!inherits && (stream.ttl !== request.ttl || stream.expires !== request.expires?.text)) return 'expiry'
  return stream.closed === (request.closed ?? false) ? undefined : 'closed'
}

function goneAlready(
  name: string,
  { streamId, position, eventId }: Placed,
  request: CreateRequest,
  contentType: string,
): DurableStream {
  const base = { position: 0 as Position, eventId: eventId ?? '' }
  return {
    name,
    streamId,
    contentType,
    ttl: request.ttl,
    expires: request.expires?.text,
    expiresAt: new Date(),
    closed: request.closed ?? false,
    head: { position: position ?? base.position, eventId: base.eventId },
    base,
    forkedFrom: request.fork?.from,
    made: true,
    owned: false,
  }
}
