/**
 * The jobs of all workspaces. Each change of a status commits together with its events, and only then announces the
 * grown streams (I1, I2); a read is one snapshot with a position to follow from; everything is confined to the given
 * workspace (I7). The database decides under the lock of the job's row which status may follow which, and who may
 * report on a job (migrations/0010_jobs.sql).
 *
 * A report carries a `Fence`. A runner's report on a claimed job is valid only from the principal that claimed it,
 * and only while its attempt holds the lease; routes decide who is a runner (routes/job-fence.ts).
 */
import type { Origin } from '../audit/audit.js'
import type { StreamAction } from '../auth/grants/decision.js'
import { reachOf } from '../auth/grants/reach.js'
import type { Author } from '../auth/principal.js'
import type { Database } from '../database/pool.js'
import type { Hub } from '../hub/hub.js'
import type { Committed } from '../log/committed.js'
import { FEED, type NewEvent, type StreamId } from '../log/event.js'
import { hash, type Idempotency, idempotencyOf } from '../log/idempotency.js'
import type { Receipt } from '../log/publisher.js'
import type { PageRequest } from '../paging/page-query.js'
import type { EventTracing } from '../tracing/event-tracing.js'
import type { Asked } from '../usage/quota.js'
import { withoutValues } from './command-secrets.js'
import { jsonOf, type PreparedEvent, prepare } from './content.js'
import { type Created, type CreateOptions, createJob } from './creation.js'
import { claimDecided } from './decided-claim.js'
import { finishJob } from './end-rows.js'
import {
  type ClaimedJob,
  DEFAULT_LEASE_MS,
  type Fence,
  type Heartbeat,
  type Job,
  type JobEnd,
  type NewJob,
} from './job.js'
import { type GrantedClaim, grantedJobs } from './job-grants.js'
import { type JobFilter, type JobSnapshot, type ReadJobPage, readJob, readJobPage } from './job-reads.js'
import { JobTurns } from './job-turns.js'
import { type Caller, memberOf } from './project-rules.js'
import { countQueued } from './queued.js'
import * as rows from './rows.js'
import { dependsOnKind } from './stream-types.js'
import { type UploadedLines, upload } from './upload.js'
import { WaitingClaims } from './waiting-claims.js'

export interface JobsOptions {
  readonly database: Database
  readonly hub: Pick<Hub, 'open'>
  /** Whether commands are refused in projects that no admin has declared; default false. */
  readonly declaredOnly?: boolean
  /** Called before a job is created, and before a report of a caller that is no runner. @throws {Problem} if it may not be stored. */
  admit?(author: Author, asked: Asked, idempotencyKey?: string): Promise<void>
  /** Called after COMMIT with the streams that have grown, to wake their readers. Must not throw. */
  readonly onCommitted: (streams: readonly StreamId[]) => void
  /** Called after the COMMIT of a report, with its events. Must not throw. */
  readonly onReported: (committed: readonly Committed[]) => void
  /** Undefined: the process takes part in no traces. */
  readonly tracing?: EventTracing | undefined
}

export interface AppendOptions extends Fence {
  /** A second request with the same key stores nothing; keys are remembered for 24 hours. */
  readonly idempotencyKey?: string | undefined
}

export class Jobs {
  readonly #options: JobsOptions
  readonly #turns: JobTurns
  readonly #waiting: WaitingClaims

  constructor(options: JobsOptions) {
    this.#options = options
    this.#turns = new JobTurns(options)
    const open = (workspace: string) => options.hub.open(workspace, FEED)
    this.#waiting = new WaitingClaims({ count: asked => countQueued(options.database, asked), open })
  }

  /**
   * @param status `queued` for a runner; `running` for a caller that executes it without a runner: it has no lease.
   * @throws {Problem} 400 `data-too-deep`, 413 `payload-too-large`, 409 `job-exists`, `stream-closed`.
   */
  async create(author: Caller, given: NewJob, status: 'queued' | 'running' = 'queued'): Promise<Job> {
    return (await this.createOnce(author, given, { status })).job
  }

  /** `create` for a request that may be repeated or recorded. @throws {Problem} also 422 `idempotency-key-reused`. */
  async createOnce(author: Caller, given: NewJob, options: CreateOptions): Promise<Created> {
    const { declaredOnly = false } = this.#options
    await this.#options.admit?.(author, { events: 2, jobs: 1 }, options.idempotencyKey)
    const changed = await this.#turns.change(author, createJob(author, given, options, declaredOnly))
    return { job: this.#announce(changed), replayed: changed.streams.length === 0 }
  }

  /** Newest first, with the head of the workspace's feed. @throws {Problem} 400 `invalid-cursor`. */
  list(caller: Caller, request: PageRequest & JobFilter): Promise<ReadJobPage> {
    return readJobPage(this.#options.database, caller, request)
  }

  /**
   * @param action that the caller's grants must allow on the job.
   * @throws {Problem} 404 `not-found`, also for a command in a project that the caller may not enter.
   */
  async snapshot(caller: Caller, id: string, action?: StreamAction): Promise<JobSnapshot> {
    return readJob(this.#options.database, reachOf(caller, action), id, memberOf(caller))
  }

  /**
   * Takes the first matching job out of the queue, with all of its payload, or waits `wait_ms` for one; undefined if there was
   * none.
   * @param signal aborts when the caller has disconnected; a job that it had just been given returns to the queue.
   * @throws the reason of `signal`, if it aborts while the claim waits for its turn.
   */
  async claim(author: Caller, claim: GrantedClaim, signal: AbortSignal): Promise<ClaimedJob | undefined> {
    const { lease_ms = DEFAULT_LEASE_MS, wait_ms = 0, projects, kinds, granted, decided } = claim
    const owned = { workspace: author.workspace, caller: decided && author.id }
    const filter = { ...owned, projects, kinds, ...grantedJobs(granted) }
    const take = (one: GrantedClaim) =>
      this.#turns.change(author, on => rows.claimJob(on, author, one, lease_ms), signal)
    const look = async () => {
      const changed = await claimDecided(this.#options.database, filter, claim, take)
      if (changed) this.#options.onCommitted(changed.streams)
      return changed?.job
    }
    const job = await (wait_ms > 0 ? this.#waiting.wait(filter, look, wait_ms, signal) : look())
    if (job === undefined || !signal.aborted) return job
    await this.handBack(author, job.id, job.attempt)
    return undefined
  }

  /**
   * Extends the lease of `holder`, and returns its end.
   * @throws {Problem} 404 `not-found`; 409 `lease-lost`, `job-ended`.
   */
  async heartbeat(holder: Author, id: string, { attempt, lease_ms }: Heartbeat): Promise<Date> {
    const lease = lease_ms ?? DEFAULT_LEASE_MS
    return this.#turns.run(holder, on => rows.heartbeat(on, holder, id, attempt, lease))
  }

  /**
   * Stores events, at least one, all of them or none.
   * @throws {Problem} 400 or 413 for events that may not be stored; 404 `not-found`; 409 `lease-lost`, `job-ended`;
   *   422 `idempotency-key-reused`.
   */
  async append(
    author: Caller,
    id: string,
    events: readonly NewEvent[],
    options: AppendOptions,
  ): Promise<Receipt> {
    const kind = events.some(dependsOnKind)
      ? (await this.snapshot(author, id, 'publish')).job.kind
      : undefined
    const prepared = events.map(event => prepare(event, kind))
    const { idempotencyKey } = options
    const idempotency =
      idempotencyKey === undefined ? undefined : idempotencyOf(idempotencyKey, [id, prepared])
    return this.#append(author, id, options, prepared, idempotency)
  }

  /**
   * Stores the events of an upload while they arrive (upload.ts).
   * @returns the number of events that were stored now, or earlier by the same upload with the same key.
   * @throws {Problem} as `append`, and those of `lines`, with the members `line` and `stored`.
   */
  async upload(
    author: Caller,
    id: string,
    { parse, ...lines }: UploadedLines,
    { idempotencyKey, ...fence }: AppendOptions,
  ): Promise<number> {
    const key = idempotencyKey === undefined ? undefined : idempotencyOf(idempotencyKey, id).key
    const { job } = await this.snapshot(author, id, 'publish')
    return upload({
      ...lines,
      repeatable: key !== undefined,
      read: line => prepare(parse(line), job.kind),
      store: async (batch, first) => {
        const content = hash([id, batch])
        const idempotency = key === undefined ? undefined : { key: `${key}#${first}`, fingerprint: content }
        await this.#append(author, id, fence, batch, idempotency)
      },
    })
  }

  /**
   * Ends a running job; `aborted` also ends a queued one.
   * @param origin of the request: the audit log names it at the end of a command.
   * @throws {Problem} 400 `data-too-deep`, 413 `payload-too-large` for the result; 404 `not-found`; 409
   *   `illegal-transition`, `lease-lost`, `job-ended`.
   */
  async finish(
    author: Caller,
    id: string,
    status: 'completed' | 'failed' | 'aborted',
    { result }: JobEnd,
    fence: Fence = {},
    origin?: Origin,
  ): Promise<Job> {
    const text = result ? jsonOf('result', result) : null
    const ending = { member: memberOf(author), origin }
    return this.#commit(author, on => finishJob(on, author, id, fence, status, text, ending))
  }

  /**
   * Ends a job; its runner learns it from its next call.
   * @param origin as in `finish`.
   * @throws {Problem} 404 `not-found`; 409 `job-ended`.
   */
  async cancel(author: Caller, id: string, origin?: Origin): Promise<Job> {
    const ending = { member: memberOf(author), origin }
    return this.#commit(author, on => finishJob(on, author, id, {}, 'cancelled', null, ending))
  }

  /** Returns a job of `holder` to the queue. @throws {Problem} 404 `not-found`; 409 `lease-lost`, `job-ended`. */
  async handBack(holder: Author, id: string, attempt: number): Promise<Job> {
    return this.#commit(holder, on => rows.requeueJob(on, holder, id, attempt))
  }

  async #append(
    author: Caller,
    id: string,
    fence: Fence,
    events: readonly PreparedEvent[],
    idempotency: Idempotency | undefined,
  ): Promise<Receipt> {
    // A runner reports on a job that was admitted, and that must come to its end.
    if (fence.holder === undefined) {
      const bytes = events.reduce((sum, { data }) => sum + data.length, 0)
      await this.#options.admit?.(author, { events: events.length, bytes }, idempotency?.key)
    }
    const append = (on: Database) =>
      rows.appendToJob(on, author, id, fence, events, idempotency, memberOf(author))
    const { committed, ...receipt } = await this.#turns.run(author, append, ({ replayed }) =>
      replayed ? [] : events.map(() => author),
    )
    if (!receipt.replayed) this.#options.onReported([committed])
    return receipt
  }

  async #commit(author: Author, change: (on: Database) => Promise<rows.Changed>): Promise<Job> {
    return this.#announce(await this.#turns.change(author, change))
  }

  #announce({ job, streams }: rows.Changed): Job {
    this.#options.onCommitted(streams)
    return withoutValues(job)
  }
}
