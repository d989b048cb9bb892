/**
 * The statements that end a job: by a report, a cancellation, an expired lease or an expired wait. Each records the end of a
 * command in the audit log, in the same statement, so neither exists without the other and no lock lasts longer.
 */
import type { Origin } from '../audit/audit.js'
import type { Author } from '../auth/principal.js'
import type { Database } from '../database/pool.js'
import { COMMAND_KIND, type Fence, type JobStatus } from './job.js'
import { CHANGED, type Changed, type ChangedRow, only, SET_WORKSPACE, toChanged } from './rows.js'

/** The caller that ends a job, as far as the end depends on it. */
export interface EndOptions {
  /** As in `selectJob`. */
  readonly member?: string | null
  /** The origin of the request, for the audit log. */
  readonly origin?: Pick<Origin, 'address' | 'requestId'> | undefined
}

export async function finishJob(
  database: Database,
  { workspace, id: actor }: Author,
  id: string,
  { attempt, holder }: Fence,
  status: JobStatus,
  result: string | null,
  { member = null, origin }: EndOptions = {},
): Promise<Changed> {
  const { rows } = await database.query<ChangedRow>({
    name: 'sluice-finish_job',
    text: `
      with changed as materialized (
        select c.job, c.streams from ${SET_WORKSPACE}
         cross join lateral sluice.finish_job(
           own.workspace, sluice.visible_job(own.workspace, $2, $8), $3, $4, $5, $6, $7) c),
      ${recordedBy('$6', '$9', '$10')}
      select ${CHANGED} from changed c`,
    values: [
      workspace,
      id,
      attempt,
      status,
      result,
      actor,
      holder,
      member,
      origin?.address ?? null,
      origin?.requestId ?? null,
    ],
  })
  return only(rows.map(toChanged))
}

/** Undefined if no lease has expired. */
export async function expireLease(database: Database): Promise<Changed | undefined> {
  return endOne(database, 'expire_lease', '', [])
}

/** Undefined if no job has waited in its queue for longer than `seconds`. */
export async function expireQueued(database: Database, seconds: number): Promise<Changed | undefined> {
  return endOne(database, 'expire_queued', `$1::float8 * interval '1 second'`, [seconds])
}

async function endOne(
  database: Database,
  name: string,
  parameters: string,
  values: readonly unknown[],
): Promise<Changed | undefined> {
  const { rows } = await database.query<ChangedRow>({
    name: `sluice-${name}`,
    text: `
      with changed as materialized (select c.job, c.streams from sluice.${name}(${parameters}) c),
      ${recordedBy('null', 'null', 'null')}
      select ${CHANGED} from changed c`,
    values: [...values],
  })
  return rows.map(toChanged)[0]
}

/** The part of a statement that records the end of a command, within the statement: it takes no further round trip. */
function recordedBy(principal: string, address: string, requestId: string): string {
  return `recorded as (
        insert into sluice.audit (workspace, action, principal, address, request_id, details)
        select (c.job).workspace,
               case when (c.job).status = 'cancelled' then 'command.cancelled' else 'command.ended' end,
               ${principal}, ${address}, ${requestId}, sluice.command_outcome(c.job)
          from changed c where (c.job).kind = '${COMMAND_KIND}' and (c.job).ended_at is not null)`
}
