/**
 * Commands in the audit log: the job that executes one, and the entry that says who had it done, commit together.
 *
 * Not the command itself: people write passwords into commands, and an entry outlives its job by years. Its SHA-256 tells
 * whether the command is one that you know, and covers all that decides what runs: with the same text and another `env`,
 * project or time limit a command is another one. Viewers may read the whole while the job is there.
 */
import { createHash } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import { type Database, inTransaction, type Queryable } from '../database/pool.js'
import { COMMAND_KIND, type Job } from './job.js'
import type { Changed } from './rows.js'

/**
 * @param origin of the request; without one, as of any other kind of job, nothing is put on record.
 * @param create makes the job, in the transaction that it is given.
 */
export async function createOnRecord(
  database: Database,
  kind: string,
  origin: Origin | undefined,
  create: (on: Queryable) => Promise<Changed>,
): Promise<Changed> {
  if (kind !== COMMAND_KIND || origin === undefined) return create(database)
  return inTransaction(database, async client => {
    const changed = await create(client)
    const { id, project, payload, timeout_ms } = changed.job
    const details = { job: id, project, command_sha256: fingerprint({ payload, project, timeout_ms }) }
    await recordAudit(client, { ...origin, action: 'command.started', details })
    return changed
  })
}

function fingerprint(command: Pick<Job, 'payload' | 'project' | 'timeout_ms'>): string {
  return createHash('sha256').update(canonical(command)).digest('hex')
}

/** The one JSON text of a value: RFC 8785. As deep as a payload may be, and a level more. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`
}
