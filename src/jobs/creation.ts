/**
 * How a job is created: its defaults, its checks, and a key with which a repeated request creates it once. A job's id is unique
 * in its workspace, so a request that names one creates it once too: without its key, the repeated request is refused.
 */
import type { Origin } from '../audit/audit.js'
import type { Author } from '../auth/principal.js'
import type { Database, Queryable } from '../database/pool.js'
import { idempotencyOf } from '../log/idempotency.js'
import { createOnRecord } from './command-record.js'
import { jsonOf } from './content.js'
import type { Job, NewJob } from './job.js'
import * as rows from './rows.js'

const DEFAULTS = { project: null, title: null, priority: 0, max_attempts: 3, timeout_ms: null } as const

export interface CreateOptions {
  /** `queued` for a runner, the default; `running` for a caller that executes it without a runner: it has no lease. */
  readonly status?: 'queued' | 'running'
  /** Of the request: with it the audit log records a command, in the same transaction. */
  readonly origin?: Origin | undefined
  /** Further work in that transaction, for a command with an origin. */
  readonly alongside?: ((on: Queryable, job: Job) => Promise<void>) | undefined
  /** A second request with the same key creates nothing; keys are remembered for 24 hours. */
  readonly idempotencyKey?: string | undefined
}

export interface Created {
  readonly job: Job
  /** Whether an earlier request with the same key created the job, which is returned as it is now. */
  readonly replayed: boolean
}

/**
 * The statements that create the job.
 * @throws {Problem} 400 `data-too-deep`, `invalid-idempotency-key`; 413 `payload-too-large`.
 */
export function createJob(
  author: Author,
  given: NewJob,
  { status = 'queued', origin, alongside, idempotencyKey }: CreateOptions,
): (on: Database) => Promise<rows.Changed> {
  const { payload = {}, ...job } = { ...DEFAULTS, ...given }
  const text = jsonOf('payload', payload)
  const idempotency =
    idempotencyKey === undefined ? undefined : idempotencyOf(idempotencyKey, ['job', given, status])
  const create = (on: Queryable) => rows.createJob(on, author, job, text, status === 'running', idempotency)
  return on => createOnRecord(on, job.kind, origin, create, alongside)
}
