/**
 * Commands in the audit log: the job that executes one, and the entry that says who had it done, commit together.
 *
 * Not the command itself: people write passwords into commands, and an entry stays when the job has long been removed.
 * Its SHA-256 tells whether it was one that you know; of the job, while it is there, viewers may read the whole.
 */
import { createHash } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import { type Database, inTransaction } from '../database/pool.js'
import type { Queryable } from '../events/log.js'
import { COMMAND_KIND } from './job.js'
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
    const { id, project, payload } = changed.job
    const details = { job: id, project, command_sha256: fingerprint(payload.command) }
    await recordAudit(client, { ...origin, action: 'command.started', details })
    return changed
  })
}

/** Null where the payload asks for no command: its runner will refuse it. */
function fingerprint(command: unknown): string | null {
  return typeof command === 'string' ? createHash('sha256').update(command).digest('hex') : null
}
