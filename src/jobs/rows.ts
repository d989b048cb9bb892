/**
 * The statements on sluice.jobs: one per function, each in one round trip and one transaction. job-problem.ts turns the errors
 * that they throw into Problems.
 */

import type { Author } from '../auth/principal.js'
import { withIsoDates } from '../database/iso-dates.js'
import type { Database, Queryable } from '../database/pool.js'
import type { WorkspaceClient } from '../database/workspace.js'
import { type PlacedEvent, storedAs } from '../log/append-requests.js'
import { type Committed, PREVIOUS } from '../log/committed.js'
import type { StreamId } from '../log/event.js'
import type { Idempotency } from '../log/idempotency.js'
import type { Head } from '../log/log.js'
import type { Place } from '../paging/page-cursor.js'
import { type Claim, type Fence, Job, type JobStatus, type NewJob } from './job.js'

/** The columns of `row` that make up a job. Its members have the names of these columns, but for its id (0018_own_job_ids.sql). */
const columnsOf = (row: string) =>
  Object.keys(Job.properties)
    .map(column => (column === 'id' ? `${row}.name as id` : `${row}.${column}`))
    .join(', ')

type Times = 'lease_expires_at' | 'created_at' | 'started_at' | 'ended_at'

/** `json` arrives as text, `bigint[]` as an array of texts (src/database/pool.ts). */
interface JobRow extends Omit<Job, Times | 'payload' | 'result'> {
  readonly payload: string
  readonly result: string | null
  readonly lease_expires_at: Date | null
  readonly created_at: Date
  readonly started_at: Date | null
  readonly ended_at: Date | null
}

type ChangedRow = JobRow & { readonly streams: string[] }
const CHANGED = `${columnsOf('(c.job)')}, c.streams`

/** Does the work of `inWorkspace` within the statement, so that row locks do not last for another round trip. */
const SET_WORKSPACE = `set_config('sluice.workspace', $1, true) as own (workspace)`

/** A job after a change, and the streams that have grown by it: none if the request was a repeated one. */
export interface Changed {
  readonly job: Job
  readonly streams: readonly StreamId[]
}

export interface Appended {
  readonly replayed: boolean
  readonly events: readonly PlacedEvent[]
  readonly committed: Committed
}

/** The filters of a list of jobs; `undefined` does not filter. */
export interface JobFilter {
  readonly status?: JobStatus | undefined
  readonly kind?: string | undefined
  readonly project?: string | undefined
}

/** The content of a new job. Without an id it gets a UUID. */
export type JobColumns = Required<Omit<NewJob, 'payload' | 'id'>> & Pick<NewJob, 'id'>

/** @param idempotency with it, a repeated request gets the job that the first one created. */
export async function createJob(
  database: Queryable,
  { workspace, id: actor }: Author,
  { id, kind, project, title, priority, max_attempts, timeout_ms }: JobColumns,
  payload: string,
  started: boolean,
  idempotency?: Idempotency | undefined,
): Promise<Changed> {
  const content = [kind, project, title, payload, priority, max_attempts, timeout_ms]
  const values = [workspace, ...content, started, actor, id, idempotency?.key, idempotency?.fingerprint]
  const parameters = 'own.workspace, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13'
  return only(await change(database, 'create_job', parameters, values))
}

/** Undefined if the queue holds no job for this claim. */
export async function claimJob(
  database: Database,
  { workspace, id: actor }: Author,
  { projects, kinds, runner }: Claim,
  leaseMs: number,
): Promise<Changed | undefined> {
  const values = [workspace, projects, kinds, runner, leaseMs, actor]
  return (await change(database, 'claim_job', 'own.workspace, $2, $3, $4, $5, $6, true', values))[0]
}

export async function finishJob(
  database: Database,
  { workspace, id: actor }: Author,
  id: string,
  { attempt, holder }: Fence,
  status: JobStatus,
  result: string | null,
): Promise<Changed> {
  const values = [workspace, id, attempt, status, result, actor, holder]
  return only(await change(database, 'finish_job', 'own.workspace, $2, $3, $4, $5, $6, $7', values))
}

export async function requeueJob(
  database: Database,
  { workspace, id: holder }: Author,
  id: string,
  attempt: number,
): Promise<Changed> {
  const values = [workspace, id, attempt, holder]
  return only(await change(database, 'requeue_job', 'own.workspace, $2, $3, $4, $4', values))
}

/** Undefined if no lease has expired. */
export async function expireLease(database: Database): Promise<Changed | undefined> {
  const { rows } = await database.query<ChangedRow>({
    name: 'sluice-expire-lease',
    text: `select ${CHANGED} from sluice.expire_lease() c`,
  })
  return rows.map(toChanged)[0]
}

/** @returns when the lease expires. */
export async function heartbeat(
  database: Database,
  { workspace, id: holder }: Author,
  id: string,
  attempt: number,
  leaseMs: number,
): Promise<Date> {
  const { rows } = await database.query<{ at: Date }>({
    name: 'sluice-heartbeat-job',
    text: `select sluice.heartbeat_job(own.workspace, $2, $3, $4, $5) as at from ${SET_WORKSPACE}`,
    values: [workspace, id, attempt, leaseMs, holder],
  })
  return only(rows).at
}

/** @param events at least one; `data` is JSON text. */
export async function appendToJob(
  database: Database,
  { workspace, id: actor }: Author,
  id: string,
  { attempt, holder }: Fence,
  events: readonly { readonly type: string; readonly data: string }[],
  idempotency: Idempotency | undefined,
): Promise<Appended> {
  const { rows } = await database.query<PlacedEvent & Omit<Committed, 'events'> & { replayed: boolean }>({
    name: 'sluice-append-job',
    text: `
      select p.stream_id as "streamId", p."position", p.event_id as "eventId", p.at, p.replayed,
             case when row_number() over (order by p."position") = 1 then ${PREVIOUS} end as previous
        from ${SET_WORKSPACE}
       cross join lateral sluice.append_job(own.workspace, $2, $3, $4, $5, $6, $7, $8, $9) p order by p."position"`,
    values: [
      workspace,
      id,
      attempt,
      events.map(({ type }) => type),
      events.map(({ data }) => data),
      idempotency?.key,
      idempotency?.fingerprint,
      actor,
      holder,
    ],
  })
  const { streamId, replayed, previous } = only(rows)
  const placed = rows.map(({ position, eventId, at }) => ({ position, eventId, at }))
  return { replayed, events: placed, committed: { streamId, previous, events: storedAs(events, placed) } }
}

/** The job, its stream and the head of its stream, from one snapshot. */
export async function selectJob(
  database: WorkspaceClient,
  workspace: string,
  id: string,
): Promise<{ job: Job; stream: StreamId; head: Head } | undefined> {
  const { rows } = await database.query<JobRow & Head & { stream: StreamId }>({
    name: 'sluice-select-job',
    text: `
      select ${columnsOf('j')}, s.id as stream, coalesce(e."position", s.base_position) as "position",
             coalesce(e.event_id, s.base_event_id) as "eventId"
        from sluice.jobs j
        join sluice.streams s on s.id = j.stream_id
        left join lateral (
               select e."position", e.event_id from sluice.events e
                where e.stream_id = j.stream_id order by e."position" desc limit 1) e on true
       where j.workspace = $1 and j.name = $2`,
    values: [workspace, id],
  })
  const snapshots = rows.map(({ position, eventId, stream, ...row }) => {
    return { job: toJob(row), stream, head: { position, eventId } }
  })
  return snapshots[0]
}

/** Newest first. */
export async function selectJobs(
  database: WorkspaceClient,
  workspace: string,
  { status, kind, project }: JobFilter,
  after: Place | undefined,
  limit: number,
): Promise<{ job: Job; place: Place }[]> {
  const { rows } = await database.query<JobRow & { at: number; key: string }>({
    name: 'sluice-select-jobs',
    text: `
      select ${columnsOf('j')}, (extract(epoch from j.created_at) * 1000000)::bigint as at, j.id as key
        from sluice.jobs j
       where j.workspace = $1
         and ($2::text is null or j.status = $2) and ($3::text is null or j.kind = $3)
         and ($4::text is null or j.project = $4)
         and ($5::bigint is null
              or (j.created_at, j.id) < (timestamptz 'epoch' + $5::bigint * interval '1 microsecond', $6::uuid))
       order by j.created_at desc, j.id desc
       limit $7`,
    values: [workspace, status, kind, project, after?.at, after?.id, limit],
  })
  return rows.map(({ at, key, ...row }) => ({ job: toJob(row), place: { at, id: key } }))
}

async function change(
  database: Queryable,
  name: string,
  parameters: string,
  values: readonly unknown[],
): Promise<Changed[]> {
  const { rows } = await database.query<ChangedRow>({
    name: `sluice-${name}`,
    text: `select ${CHANGED} from ${SET_WORKSPACE} cross join lateral sluice.${name}(${parameters}) c`,
    values: [...values],
  })
  return rows.map(toChanged)
}

function toChanged({ streams, ...row }: ChangedRow): Changed {
  return { job: toJob(row), streams: streams.map(Number) as StreamId[] }
}

function toJob({ payload, result, ...row }: JobRow): Job {
  return {
    ...withIsoDates(row),
    payload: JSON.parse(payload),
    result: result === null ? null : JSON.parse(result),
  }
}

function only<T>(rows: readonly T[]): T {
  const [row] = rows
  if (row === undefined) throw new Error('A function on jobs returned no row.')
  return row
}
