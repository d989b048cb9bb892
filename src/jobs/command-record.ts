/**
 * Records commands in the audit log: the job and the entry that names its author commit together.
 *
 * The entry does not contain the command: people write passwords into commands, and an entry outlives its job by years. Its
 * SHA-256 shows whether it is a known command, and covers everything that decides what runs: text, `env`, project and time
 * limit. Viewers can read the command itself while the job exists.
 */
import { createHash } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import { type Database, inTransaction, type Queryable } from '../database/pool.js'
import { COMMAND_KIND, type Job } from './job.js'
import type { Changed } from './rows.js'

/**
 * @param origin of the request; without it, and for other kinds of jobs, nothing is recorded.
 * @param create creates the job, in the given transaction, or finds the one that an earlier request created.
 * @param alongside further work in that transaction, also for a repeated request.
 */
export async function createOnRecord(
  database: Database,
  kind: string,
  origin: Origin | undefined,
  create: (on: Queryable) => Promise<Changed>,
  alongside: (on: Queryable, job: Job) => Promise<void> = async () => {},
): Promise<Changed> {
  if (kind !== COMMAND_KIND || origin === undefined) return create(database)
  return inTransaction(database, async client => {
    const changed = await create(client)
    // A repeated request starts nothing.
    if (changed.streams.length > 0) await record(client, origin, changed.job)
    await alongside(client, changed.job)
    return changed
  })
}

async function record(
  on: Queryable,
  origin: Origin,
  { id, project, payload, timeout_ms }: Job,
): Promise<void> {
  const details = { job: id, project, command_sha256: fingerprint({ payload, project, timeout_ms }) }
  await recordAudit(on, { ...origin, action: 'command.started', details })
}

function fingerprint(command: Pick<Job, 'payload' | 'project' | 'timeout_ms'>): string {
  return createHash('sha256').update(canonical(command)).digest('hex')
}

/** The canonical JSON text of a value (RFC 8785). Its depth is bounded by that of payloads. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`
}
