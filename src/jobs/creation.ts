/**
 * How a job is created: its defaults, its checks, and a key with which a repeated request creates it once. A job's id is unique
 * in its workspace, so a request that names one creates it once too: without its key, the repeated request is refused.
 */
import type { Origin } from '../audit/audit.js'
import { type Database, inTransaction, type Queryable } from '../database/pool.js'
import { idempotencyOf } from '../log/idempotency.js'
import { recordCommand } from './command-record.js'
import { jsonOf } from './content.js'
import { COMMAND_KIND, type Job, type NewJob } from './job.js'
import { selectProject } from './project-rows.js'
import { assertMayRun, type Caller } from './project-rules.js'
import * as rows from './rows.js'

const DEFAULTS = { project: null, title: null, priority: 0, max_attempts: 3, timeout_ms: null } as const

export interface CreateOptions {
  /** `queued` for a runner, the default; `running` for a caller that executes it without a runner: it has no lease. */
  readonly status?: 'queued' | 'running'
  /** The origin of the request: with it the audit log records a command, in the same transaction. */
  readonly origin?: Origin | undefined
  /** A second request with the same key creates nothing; keys are remembered for 24 hours. */
  readonly idempotencyKey?: string | undefined
  /** Further work in the transaction that queues a command. */
  readonly alongside?: ((on: Queryable, job: Job) => Promise<void>) | undefined
}

export interface Created {
  readonly job: Job
  /** Whether an earlier request with the same key created the job, which is returned as it is now. */
  readonly replayed: boolean
}

/**
 * The statements that create the job.
 * @param declaredOnly whether a command is refused in a project that has not been declared.
 * @throws {Problem} 400 `data-too-deep`, `invalid-idempotency-key`; 413 `payload-too-large`. The statements also throw the
 *   Problems of `assertMayRun`.
 */
export function createJob(
  author: Caller,
  given: NewJob,
  { status = 'queued', origin, idempotencyKey, alongside }: CreateOptions,
  declaredOnly: boolean,
): (on: Database) => Promise<rows.Changed> {
  const { payload = {}, ...job } = { ...DEFAULTS, ...given }
  const text = jsonOf('payload', payload)
  const idempotency =
    idempotencyKey === undefined ? undefined : idempotencyOf(idempotencyKey, ['job', given, status])
  const create = (on: Queryable) => rows.createJob(on, author, job, text, status === 'running', idempotency)
  if (job.kind !== COMMAND_KIND) return create
  return on =>
    inTransaction(on, async client => {
      const { project } = job
      const declared = project === null ? undefined : await selectProject(client, author.workspace, project)
      assertMayRun(author, declared, payload, declaredOnly)
      const changed = await create(client)
      // A repeated request starts nothing.
      if (origin && changed.streams.length > 0) await recordCommand(client, origin, changed.job)
      await alongside?.(client, changed.job)
      return changed
    })
}
