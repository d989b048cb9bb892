/**
 * The gateway as a runner sees it: one method for each call of the protocol (docs/runner.md), one request for each
 * call. The caller decides about retries (retry.ts) by the error: GatewayAway or Refusal.
 */
import { signalOrDeadline } from '../process/deadline.js'
import type { CommandResult } from './command.js'
import type { Place } from './executors.js'
import type { Batch } from './uploader.js'

/** A job on which this runner holds the lease. */
export interface ClaimedJob extends Place {
  readonly id: string
  /** Fencing: every call about the job names its attempt. */
  readonly attempt: number
  readonly payload: unknown
  readonly timeout_ms?: number | null
  /** The trace in which the job was created. */
  readonly traceparent?: string | null
}

export interface Claim {
  readonly projects: readonly string[]
  readonly kinds: readonly string[]
  readonly runner: string
  readonly lease_ms: number
  readonly wait_ms: number
}

/** No response arrived: the gateway is unreachable, or the connection broke. The request may have been executed. */
export class GatewayAway extends Error {
  override readonly name = 'GatewayAway'
}

/** The gateway refused the request. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  /**
   * @param code the code of the problem document, or `''` if the response is none.
   * @param retryAfterMs 0 if the response does not say.
   */
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryAfterMs: number,
  ) {
    super(detail)
  }
}

/** Time for a response, in addition to the time that the request asked the gateway to wait. */
const PATIENCE_MS = 15_000

export class Gateway {
  readonly #url: string
  readonly #token: string

  /** @param url the gateway's root, http or https. */
  constructor(url: string, token: string) {
    this.#url = withoutSlashes(url)
    this.#token = token
  }

  /** The next job for this runner, or undefined if there was none for `wait_ms`. */
  async claim(claim: Claim, signal: AbortSignal): Promise<ClaimedJob | undefined> {
    const patienceMs = claim.wait_ms + PATIENCE_MS
    const answer = await this.#post('/api/jobs/claim', { body: JSON.stringify(claim), patienceMs, signal })
    return answer === undefined ? undefined : (JSON.parse(answer) as { job: ClaimedJob }).job
  }

  async heartbeat(job: ClaimedJob, leaseMs: number, signal: AbortSignal): Promise<void> {
    const body = JSON.stringify({ attempt: job.attempt, lease_ms: leaseMs })
    await this.#post(`${pathOf(job)}/heartbeat`, { body, signal })
  }

  async append(job: ClaimedJob, { body, key }: Batch, signal: AbortSignal): Promise<void> {
    const headers = { ...fencing(job), 'idempotency-key': key }
    await this.#post(`${pathOf(job)}/events`, { headers, body, signal })
  }

  async finish(
    job: ClaimedJob,
    how: 'complete' | 'fail',
    result: CommandResult,
    signal: AbortSignal,
  ): Promise<void> {
    const body = JSON.stringify({ result })
    await this.#post(`${pathOf(job)}/${how}`, { headers: fencing(job), body, signal })
  }

  /** Hands the job back to the queue. */
  async release(job: ClaimedJob, signal: AbortSignal): Promise<void> {
    await this.#post(`${pathOf(job)}/release`, { headers: fencing(job), signal })
  }

  /** @returns the response's text; undefined for a 204. */
  async #post(
    path: string,
    { headers = {}, body, patienceMs = PATIENCE_MS, signal }: PostOptions,
  ): Promise<string | undefined> {
    const ending = signalOrDeadline(signal, patienceMs)
    try {
      signal.throwIfAborted()
      const response = await fetch(`${this.#url}${path}`, {
        method: 'POST',
        headers: {
          ...headers,
          authorization: `Bearer ${this.#token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        body: body ?? null,
        // The token is only for this address.
        redirect: 'manual',
        signal: ending.signal,
      })
      const text = await response.text()
      if (!response.ok) throw refusalOf(response, text)
      return response.status === 204 ? undefined : text
    } catch (error) {
      if (error instanceof Refusal) throw error
      signal.throwIfAborted()
      throw new GatewayAway(ending.signal.aborted ? `no answer for ${patienceMs} ms` : reasonOf(error))
    } finally {
      ending.release()
    }
  }
}

interface PostOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly patienceMs?: number
  readonly signal: AbortSignal
}

function pathOf({ id }: ClaimedJob): string {
  return `/api/jobs/${encodeURIComponent(id)}`
}

function fencing({ attempt }: ClaimedJob): { 'x-job-attempt': string } {
  return { 'x-job-attempt': `${attempt}` }
}

function refusalOf(response: Response, text: string): Refusal {
  let document: { code?: unknown; detail?: unknown } = {}
  try {
    document = Object(JSON.parse(text))
  } catch {
    // A proxy's own page; the status is enough.
  }
  const code = typeof document.code === 'string' ? document.code : ''
  const detail = typeof document.detail === 'string' ? document.detail : `It answered ${response.status}.`
  return new Refusal(response.status, code, detail, afterMs(response.headers.get('retry-after')))
}

/** Retry-After in seconds or as a date, RFC 9110 §10.2.3. */
function afterMs(header: string | null): number {
  if (header === null) return 0
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now()
  return ms > 0 ? ms : 0
}

function withoutSlashes(url: string): string {
  let end = url.length
  while (url[end - 1] === '/') end -= 1
  return url.slice(0, end)
}

/** fetch only says that it failed; the cause says why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  if (typeof cause !== 'object' || cause === null) return String(cause)
  return 'code' in cause ? String(cause.code) : cause instanceof Error ? cause.message : String(cause)
}
