/** Jobs: work with an end, which somebody executes and this client follows. */
import type { EventTypes, Job, NewJob } from './catalogue.js'
import { ProtocolError } from './errors.js'
import type { AnyEvent, FeedEvent } from './events.js'
import { Feed } from './feed.js'
import type { FeedOptions } from './feed-options.js'
import { Listing } from './listing.js'
import { newKey } from './publish.js'
import type { Gateway } from './requests.js'

const ENDS = ['job.completed', 'job.failed', 'job.cancelled', 'job.aborted', 'job.interrupted'] as const

/** How a job ended. */
export type JobEnd = EventTypes[(typeof ENDS)[number]]

export interface JobQuery {
  readonly status?: Job['status'] | undefined
  readonly kind?: string | undefined
  readonly project?: string | undefined
  /** Entries on a page: 1 to 200, default 50. */
  readonly limit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CreateOptions {
  /** Default: one that is generated for this call, so that its retries are safe. */
  readonly idempotencyKey?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export class Jobs {
  constructor(readonly gateway: Gateway) {}

  /** Queues a job. */
  async create(job: NewJob, { idempotencyKey = newKey(), signal }: CreateOptions = {}): Promise<Job> {
    const headers = { 'Idempotency-Key': idempotencyKey }
    const options = { body: job, headers, signal, isRepeatable: true }
    return (await this.gateway.request<Job>('POST', '/api/jobs', options)).body
  }

  /** Newest first. */
  list({ signal, ...query }: JobQuery = {}): Listing<Job> {
    return new Listing(this.gateway, '/api/jobs', 'jobs', query, signal)
  }

  /** @returns the job; `head` is the newest event of its own stream that it includes. */
  async get(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<Job & { readonly head: string }> {
    const { body, headers } = await this.gateway.request<Job>('GET', pathOf(id), { signal })
    return { ...body, head: headers.get('x-sluice-head') ?? '' }
  }

  /** Cancels a job that has not ended. To repeat it is safe: a job ends once. */
  async cancel(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<Job> {
    return (await this.gateway.request<Job>('POST', `${pathOf(id)}/cancel`, { signal })).body
  }
}

/**
 * Await it for the end of the job, or iterate over `events`. To do both, begin to iterate first: awaiting it then waits for that
 * iteration, and follows the job by itself only if the iteration was left early.
 */
export class FollowedJob implements PromiseLike<JobEnd> {
  readonly #jobs: Jobs
  #cursor: string | undefined
  #end: JobEnd | undefined
  #iteration: { readonly over: Promise<void> } | undefined
  /** While somebody awaits the job: all share one connection. */
  #ending: Promise<JobEnd> | undefined

  constructor(
    readonly gateway: Gateway,
    readonly id: string,
    readonly options: FeedOptions = {},
  ) {
    this.#jobs = new Jobs(gateway)
  }

  /** The events of the job from its first one on, up to its end; a second iteration continues after the first one. */
  get events(): AsyncGenerator<FeedEvent, void> {
    return this.#follow()
  }

  /** Cancels the job, if it has not ended. */
  async cancel(): Promise<Job> {
    return await this.#jobs.cancel(this.id)
  }

  // biome-ignore lint/suspicious/noThenProperty: a job resolves with its result.
  then<Result = JobEnd, Failure = never>(
    fulfilled?: ((end: JobEnd) => Result | PromiseLike<Result>) | null,
    rejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    this.#ending ??= this.#ended().finally(() => {
      this.#ending = undefined
    })
    return this.#ending.then(fulfilled, rejected)
  }

  async #ended(): Promise<JobEnd> {
    await this.#iteration?.over
    if (!this.#end) for await (const _ of this.#follow());
    this.options.signal?.throwIfAborted()
    this.#end ??= await this.#readEnd()
    return this.#end
  }

  async *#follow(): AsyncGenerator<FeedEvent, void> {
    if (this.#end) return
    let finish = () => {}
    this.#iteration = { over: new Promise(resolve => (finish = resolve)) }
    const feed = new Feed(this.gateway, {
      // The remaining events follow; the end of the job is certain in any case.
      reload: () => undefined,
      ...this.options,
      stream: `job:${this.id}`,
      from: this.#cursor ?? this.options.from ?? 'beginning',
    })
    try {
      for await (const event of feed) {
        this.#end = endOf(event) ?? this.#end
        yield event
        if (this.#end) return
      }
    } finally {
      this.#cursor = feed.cursor
      finish()
    }
  }

  /** The stream has ended before the cursor: its last event was read earlier. */
  async #readEnd(): Promise<JobEnd> {
    const { id, status, result, attempt } = await this.#jobs.get(this.id)
    if (status === 'queued' || status === 'running')
      throw new ProtocolError('job-not-ended', `The stream of the job ${id} has ended before the job.`)
    // The members belong together: only a completed job has the result of one.
    return { job_id: id, status, result, attempt } as JobEnd
  }
}

function endOf({ type, data }: AnyEvent): JobEnd | undefined {
  return ENDS.some(end => end === type) ? (data as JobEnd) : undefined
}

function pathOf(id: string): string {
  return `/api/jobs/${encodeURIComponent(id)}`
}
