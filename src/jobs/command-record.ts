/**
 * Records commands in the audit log: the job and the entry that names its author commit together. end-rows.ts records their ends.
 *
 * The entry does not contain the command: people write passwords into commands, and an entry outlives its job by years. Its
 * SHA-256 shows whether it is a known command, and covers everything that decides what runs: text, `env`, project and time
 * limit. Viewers can read the command itself while the job exists.
 */
import { createHash } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import type { Queryable } from '../database/pool.js'
import type { Job } from './job.js'

/** @param on the transaction that creates the job. */
export async function recordCommand(on: Queryable, origin: Origin, job: Job): Promise<void> {
  const { id, project, payload, timeout_ms } = job
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
