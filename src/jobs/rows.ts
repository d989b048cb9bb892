/**
 * The statements on sluice.jobs: one per function, each in one round trip and one transaction. job-problem.ts turns the errors
 * that they throw into Problems.
 */

import type { Author } from '../auth/principal.js'
import { withIsoDates } from '../database/iso-dates.js'
import type { Database, Queryable } from '../database/pool.js'
import type { PlacedEvent } from '../log/append-request.js'
import { storedAs } from '../log/append-requests.js'
import { type Committed, PREVIOUS } from '../log/committed.js'
import type { StreamId } from '../log/event.js'
import type { Idempotency } from '../log/idempotency.js'
import { type ClaimedJob, COMMAND_KIND, type Fence, Job, type NewJob } from './job.js'
import { type GrantedClaim, grantedJobs } from './job-grants.js'

/** The columns of `row` that make up a job. Its members have the names of these columns, but for its id (0018_own_job_ids.sql). */
export const columnsOf = (row: string) =>
  Object.keys(Job.properties)
    .map(column => (column === 'id' ? `${row}.name as id` : `${row}.${column}`))
    .join(', ')

type Times = 'lease_expires_at' | 'created_at' | 'started_at' | 'ended_at'

/** `json` arrives as text, `bigint[]` as an array of texts (src/database/pool.ts). */
export interface JobRow extends Omit<Job, Times | 'payload' | 'result'> {
  readonly payload: string
  readonly result: string | null
  readonly lease_expires_at: Date | null
  readonly created_at: Date
  readonly started_at: Date | null
  readonly ended_at: Date | null
}

export type ChangedRow = JobRow & { readonly streams: string[]; readonly traceparent: string | null }
export const CHANGED = `${columnsOf('(c.job)')}, (c.job).traceparent, c.streams`

/** Does the work of `inWorkspace` within the statement, so that row locks do not last for another round trip. */
export const SET_WORKSPACE = `set_config('sluice.workspace', $1, true) as own (workspace)`
/** Sets the trace of the changes too. @param traceparent a parameter; an empty text is none. */
const setWorkspaceAndTrace = (traceparent: string) => `(
  select set_config('sluice.workspace', $1, true), set_config('sluice.traceparent', ${traceparent}, true)) as own (workspace)`

/** A job after a change, and the streams that have grown by it: none if the request was a repeated one. */
export interface Changed {
  readonly job: Job
  readonly streams: readonly StreamId[]
  /** The trace of the job, which is that of the events of the change. */
  readonly traceparent: string | null
}

export interface Appended {
  readonly replayed: boolean
  readonly events: readonly PlacedEvent[]
  readonly committed: Committed
}

/** The content of a new job. Without an id it gets a UUID. */
export type JobColumns = Required<Omit<NewJob, 'payload' | 'id'>> & Pick<NewJob, 'id'>

/** @param idempotency with it, a repeated request gets the job that the first one created. */
export async function createJob(
  database: Queryable,
  { workspace, id: actor, traceparent = '' }: Author,
  { id, kind, project, title, priority, max_attempts, timeout_ms }: JobColumns,
  payload: string,
  started: boolean,
  idempotency?: Idempotency | undefined,
): Promise<Changed> {
  const content = [kind, project, title, payload, priority, max_attempts, timeout_ms]
  const values = [
    workspace,
    ...content,
    started,
    actor,
    id,
    idempotency?.key,
    idempotency?.fingerprint,
    traceparent,
  ]
  const parameters = 'own.workspace, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13'
  return only(await change(database, 'create_job', parameters, values, setWorkspaceAndTrace('$14')))
}

/** The members of a job that only the runner that claims it gets. */
type ClaimedOnly = Pick<ClaimedJob, 'executor' | 'image'>

/** Undefined if the queue holds no job for this claim. */
export async function claimJob(
  database: Database,
  { workspace, id: actor }: Author,
  { projects, kinds, runner, granted }: GrantedClaim,
  leaseMs: number,
): Promise<(Changed & { readonly job: ClaimedJob }) | undefined> {
  const { names, prefixes } = grantedJobs(granted)
  const { rows } = await database.query<ChangedRow & ClaimedOnly>({
    name: 'sluice-claim_job',
    text: `
      select ${CHANGED}, p.executor, p.image
        from ${SET_WORKSPACE}
       cross join lateral sluice.claim_job(own.workspace, $2, $3, $4, $5, $6, true, $7, $8) c
        left join lateral (
               select p.executor, p.image from sluice.projects p
                where p.workspace = own.workspace and p.id = (c.job).project limit 1
             ) p on (c.job).kind = '${COMMAND_KIND}'`,
    values: [workspace, projects, kinds, runner, leaseMs, actor, names, prefixes],
  })
  return rows.map(({ executor, image, ...row }) => {
    const changed = toChanged(row)
    const { job, traceparent } = changed
    return { ...changed, job: { ...job, executor, image, traceparent } }
  })[0]
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

/** @param events at least one; `data` is JSON text. @param member as in `selectJob`. */
export async function appendToJob(
  database: Database,
  { workspace, id: actor, traceparent = '' }: Author,
  id: string,
  { attempt, holder }: Fence,
  events: readonly { readonly type: string; readonly data: string }[],
  idempotency: Idempotency | undefined,
  member: string | null = null,
): Promise<Appended> {
  const { rows } = await database.query<PlacedEvent & Omit<Committed, 'events'> & { replayed: boolean }>({
    name: 'sluice-append-job',
    text: `
      select p.stream_id as "streamId", p."position", p.event_id as "eventId", p.at, p.replayed,
             case when row_number() over (order by p."position") = 1 then ${PREVIOUS} end as previous
        from ${setWorkspaceAndTrace('$11')}
       cross join lateral sluice.append_job(
         own.workspace, sluice.visible_job(own.workspace, $2, $10), $3, $4, $5, $6, $7, $8, $9) p order by p."position"`,
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
      member,
      traceparent,
    ],
  })
  const { streamId, replayed, previous } = only(rows)
  const placed = rows.map(({ position, eventId, at }) => ({ position, eventId, at }))
  return {
    replayed,
    events: placed,
    committed: { streamId, way: 'runner', previous, events: storedAs(events, placed) },
  }
}

async function change(
  database: Queryable,
  name: string,
  parameters: string,
  values: readonly unknown[],
  setting = SET_WORKSPACE,
): Promise<Changed[]> {
  const { rows } = await database.query<ChangedRow>({
    name: `sluice-${name}`,
    text: `select ${CHANGED} from ${setting} cross join lateral sluice.${name}(${parameters}) c`,
    values: [...values],
  })
  return rows.map(toChanged)
}

export function toChanged({ streams, traceparent, ...row }: ChangedRow): Changed {
  return { job: toJob(row), streams: streams.map(Number) as StreamId[], traceparent }
}

export function toJob({ payload, result, ...row }: JobRow): Job {
  return {
    ...withIsoDates(row),
    payload: JSON.parse(payload),
    result: result === null ? null : JSON.parse(result),
  }
}

export function only<T>(rows: readonly T[]): T {
  const [row] = rows
  if (row === undefined) throw new Error('A function on jobs returned no row.')
  return row
}
