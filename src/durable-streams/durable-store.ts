/**
 * Durable Streams on the log (PROTOCOL §4 and §5): finds, creates, appends to and deletes them. Appends share their
 * transactions (log/group-commit.ts); creating and deleting are rare. Every outcome that the protocol names is a value.
 */
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach } from '../database/workspace.js'
import type { Committed } from '../log/committed.js'
import type { StreamId } from '../log/event.js'
import { GroupCommit } from '../log/group-commit.js'
import { problemOf } from '../log/publish-problem.js'
import { Distribution } from '../metrics/distribution.js'
import { type Problem, SqlState, sqlState, unavailable } from '../problems/problem.js'
import type { EventTracing } from '../tracing/event-tracing.js'
import { type Appended, type AppendRequest, appendDurable, committedBy } from './append-durable.js'
import { chunksOf } from './chunk.js'
import { mediaTypeOf } from './content-type.js'
import { isOwned, isStoredBy, selectDurable } from './durable-rows.js'
import type {
  AppendOutcome,
  CreateOutcome,
  CreateRequest,
  DurableAppend,
  Found,
  RemoveOutcome,
} from './durable-stream.js'
import { createStream } from './stream-creation.js'

/** Refuses what the limits of the workspace do not allow (usage/quota.ts). */
export type Admit = (
  workspace: string,
  asked: { readonly events: number; readonly bytes: number },
  isRepeated?: () => Promise<boolean>,
) => Promise<void>

export interface DurableStreamsOptions {
  readonly database: Database
  /** Called after each COMMIT with the events that were stored, once per stream. Must not throw. */
  onCommitted(committed: readonly Committed[]): void
  /** Called after the COMMIT that has closed or deleted these streams: followers in all processes get the end. Must not throw. */
  onEnded(streams: readonly StreamId[]): void
  /** Default: everything is admitted. */
  readonly admit?: Admit | undefined
  readonly tracing?: EventTracing | undefined
}

export class DurableStreams {
  /** For the metrics: how long appends, and the commits that they share, have taken; and their outcomes. */
  readonly tally = {
    append: new Distribution(),
    commit: new Distribution(),
    appends: { stored: 0, duplicate: 0, refused: 0 },
    chunks: 0,
    forks: 0,
  }
  readonly #options: DurableStreamsOptions
  readonly #group: GroupCommit<AppendRequest, Appended>

  constructor(options: DurableStreamsOptions) {
    this.#options = options
    this.#group = new GroupCommit({
      database: options.database,
      retry: 'Retry with the same producer headers, so that they are not stored twice.',
      sizeOf: ({ chunks }) => ({
        events: Math.max(1, chunks.length),
        bytes: chunks.reduce((sum, { length }) => sum + length, 0),
      }),
      commit: appendDurable,
      onStored: (_, appended, startedAt) => this.#stored(appended, startedAt),
    })
  }

  /**
   * @throws {Problem} 429 `too-many-stored-streams`, `rate-limited`; 507 `workspace-full`; in a JSON stream 400 `invalid-json`, `invalid-utf8`, `data-too-deep`, 413
   *   `event-too-large`; 503 `stream-busy`, `database-unavailable`.
   */
  async create(
    author: Origin,
    name: string,
    request: CreateRequest,
    traceparent?: string,
  ): Promise<CreateOutcome> {
    const { database, onCommitted, onEnded, admit } = this.#options
    const { workspace } = author
    const exists = async () => (await this.find({ workspace }, name, { touch: false })) !== undefined
    // The transaction must not wait for the usage of the workspace, which another connection reads.
    await admit?.(workspace, { events: 0, bytes: request.body?.length ?? 0 }, exists)
    const { outcome, removed, stored } = await createStream(database, author, name, request, {
      traceparent,
      admit: copied => admit?.(workspace, copied),
    })
    if (outcome.outcome === 'created' && request.fork) this.tally.forks += 1
    this.tally.chunks += stored?.events.length ?? 0
    if (removed !== undefined) onEnded([removed])
    // Nobody follows it yet in this process, but consumers and webhooks may wait for its name.
    if (stored && stored.events.length > 0) {
      onCommitted([{ streamId: stored.streamId, way: 'http', previous: null, events: stored.events }])
    }
    return outcome
  }

  /**
   * Resolves after COMMIT.
   * @param signal withdraws the request while it waits.
   * @throws {Problem} as `create`, and 503 `overloaded`, `write-conflict`, `shutting-down`.
   */
  async append(
    { workspace, principal }: Pick<Origin, 'workspace' | 'principal'>,
    name: string,
    { body, close = false, seq, producer }: DurableAppend,
    {
      traceparent,
      signal,
    }: { readonly traceparent?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<AppendOutcome> {
    if (isOwned(name)) return { outcome: 'owned' }
    const startedAt = performance.now()
    const contentType = body?.contentType ?? ''
    const request: AppendRequest = {
      workspace,
      stream: name,
      actor: principal ?? '',
      mediaType: mediaTypeOf(contentType),
      chunks: body ? chunksOf(body.bytes, contentType) : [],
      close,
      seq,
      producer,
      traceparent,
    }
    // Without limits requests keep the order of their calls.
    if (body && this.#options.admit) await this.#admit(request, body.bytes.length)
    const { outcome } = await this.#group.store(request, signal)
    const { appends } = this.tally
    if (outcome.outcome === 'stored' || outcome.outcome === 'duplicate') appends[outcome.outcome] += 1
    else appends.refused += 1
    if (outcome.outcome === 'stored') this.tally.chunks += request.chunks.length
    this.tally.append.observe((performance.now() - startedAt) / 1_000)
    return outcome
  }

  /** @param touch whether this is a use, which keeps the stream from expiring. */
  find(within: Reach, name: string, { touch }: { readonly touch: boolean }): Promise<Found> {
    const { workspace } = within
    return inWorkspace(this.#options.database, within, async client => {
      const row = await selectDurable(client, workspace, name)
      if (touch && row?.due && row.found !== undefined) {
        await client.query({
          name: 'sluice-touch-durable',
          text: 'select sluice.touch_durable($1, $2)',
          values: [workspace, name],
        })
      }
      return row?.found
    })
  }

  /**
   * @param ofAll whether the caller may delete streams that the protocol did not make.
   * @throws {Problem} 503 `stream-busy`, `database-unavailable`.
   */
  async remove(author: Origin, name: string, { ofAll }: { readonly ofAll: boolean }): Promise<RemoveOutcome> {
    if (isOwned(name)) return 'owned'
    const { workspace } = author
    const removed = await inWorkspace(this.#options.database, workspace, async client => {
      const known = await selectDurable(client, workspace, name)
      if (known && !known.made && !ofAll) return { outcome: 'foreign' as const, streamId: null }
      const { rows } = await client.query<{ outcome: RemoveOutcome; streamId: StreamId | null }>({
        name: 'sluice-delete-durable',
        text: 'select r.outcome, r.stream_id as "streamId" from sluice.remove_durable($1, $2) r',
        values: [workspace, name],
      })
      const streamId = rows[0]?.streamId ?? null
      // An application may have made another stream of this name meanwhile: nothing is deleted then.
      if (streamId !== null && streamId !== known?.streamId) throw changedMeanwhile()
      if (rows[0]?.outcome === 'removed') {
        await recordAudit(client, { ...author, action: 'stream.deleted', details: { stream: name } })
      }
      return rows[0]
    }).catch(error => {
      if (sqlState(error) === SqlState.streamOwned) return { outcome: 'owned' as const, streamId: null }
      throw problemOf(error)
    })
    if (removed?.streamId != null) this.#options.onEnded([removed.streamId])
    return removed?.outcome ?? 'not-found'
  }

  /** Refuses waiting appends, and resolves when those in flight have their outcome. */
  close(): Promise<void> {
    return this.#group.close()
  }

  /** Asks the limits of the workspace. A repeated append, which is stored already, takes no room. */
  async #admit({ workspace, stream, chunks, producer }: AppendRequest, bytes: number): Promise<void> {
    const { admit, database } = this.#options
    await admit?.(workspace, { events: chunks.length, bytes }, async () =>
      producer
        ? await inWorkspace(database, workspace, client => isStoredBy(client, workspace, stream, producer))
        : false,
    )
  }

  #stored(appended: readonly (Appended | undefined)[], startedAt: number): void {
    this.tally.commit.observe((performance.now() - startedAt) / 1_000)
    const { tracing, onCommitted, onEnded } = this.#options
    tracing?.step(
      'append',
      appended.flatMap(each => each?.events ?? []),
      startedAt,
    )
    const committed = committedBy(appended)
    if (committed.length > 0) onCommitted(committed)
    const ended = appended.flatMap(each => (each?.closes && each.streamId !== null ? [each.streamId] : []))
    if (ended.length > 0) onEnded(ended)
  }
}

function changedMeanwhile(): Problem {
  return unavailable('stream-busy', 'The stream was made again meanwhile. Nothing was deleted. Retry.', 2)
}
