/** The statements that read jobs for a caller: a list of them, and one with the head of its stream. */
import { reachOf } from '../auth/grants/reach.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type Reach, type WorkspaceClient } from '../database/workspace.js'
import { FEED, type StreamId } from '../log/event.js'
import { readSnapshot, type Snapshot } from '../log/feed-snapshot.js'
import type { Head } from '../log/log.js'
import type { NamePatterns } from '../log/name-patterns.js'
import { cutPage, formatPlace, type Place, parsePlace } from '../paging/page-cursor.js'
import type { PageRequest } from '../paging/page-query.js'
import { notFound } from '../problems/problem.js'
import { withoutValues } from './command-secrets.js'
import { COMMAND_KIND, type Job, type JobStatus } from './job.js'
import { grantedJobs, isGranted } from './job-grants.js'
import { type Caller, memberOf } from './project-rules.js'
import { columnsOf, type JobRow, toJob } from './rows.js'

/** The filters of a list of jobs; `undefined` does not filter. */
export interface JobFilter {
  readonly status?: JobStatus | undefined
  readonly kind?: string | undefined
  readonly project?: string | undefined
  /** The streams of the only jobs that the caller may see. */
  readonly granted?: NamePatterns | undefined
}

export interface JobPage {
  readonly jobs: Job[]
  /** Null on the last page. */
  readonly next_cursor: string | null
}

/** A job, and the last event of its stream that the job includes: follow from there. */
export interface JobSnapshot {
  readonly job: Job
  readonly stream: StreamId
  readonly head: Head
}

/** With the head of the feed, unless the caller's grants leave the feed out. */
export type ReadJobPage = Omit<Snapshot<JobPage>, 'head'> & { readonly head: string | undefined }

/** @throws {Problem} 400 `invalid-cursor`. */
export async function readJobPage(
  database: Database,
  caller: Caller,
  { limit, cursor, ...filter }: PageRequest & JobFilter,
): Promise<ReadJobPage> {
  const { workspace } = caller
  const within = reachOf(caller)
  const after = cursor === undefined ? undefined : parsePlace('jobs', cursor)
  const read = async (client: WorkspaceClient) => {
    const found = await selectJobs(client, workspace, filter, after, limit + 1, memberOf(caller))
    const { page, next_cursor } = cutPage(found, limit, ({ place }) => formatPlace('jobs', place))
    return { jobs: page.map(({ job }) => withoutValues(job)), next_cursor }
  }
  if (caller.grants?.subscribe.matches(FEED) === false)
    return { value: await inWorkspace(database, within, read), head: undefined }
  return readSnapshot(database, within, read)
}

/** @param member as in `selectJob`. @throws {Problem} 404 `not-found`. */
export async function readJob(
  database: Database,
  within: Reach,
  id: string,
  member: string | null,
): Promise<JobSnapshot> {
  const select = (client: WorkspaceClient) => selectJob(client, within.workspace, id, member)
  const snapshot = await inWorkspace(database, within, select)
  if (snapshot === undefined) throw notFound('job')
  return { ...snapshot, job: withoutValues(snapshot.job) }
}

/**
 * The job, its stream and the head of its stream, from one snapshot.
 * @param member a principal that does not see the commands of projects that it may not enter; null sees all.
 */
export async function selectJob(
  database: WorkspaceClient,
  workspace: string,
  id: string,
  member: string | null = null,
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
       where j.workspace = $1 and j.name = $2 and ${visibleTo('$3')}`,
    values: [workspace, id, member],
  })
  const snapshots = rows.map(({ position, eventId, stream, ...row }) => {
    return { job: toJob(row), stream, head: { position, eventId } }
  })
  return snapshots[0]
}

/** Newest first. @param member as in `selectJob`. */
export async function selectJobs(
  database: WorkspaceClient,
  workspace: string,
  { status, kind, project, granted }: JobFilter,
  after: Place | undefined,
  limit: number,
  member: string | null = null,
): Promise<{ job: Job; place: Place }[]> {
  const { names, prefixes } = grantedJobs(granted)
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
         and ${visibleTo('$8')} and ${isGranted('j', '$9', '$10')}
       order by j.created_at desc, j.id desc
       limit $7`,
    values: [workspace, status, kind, project, after?.at, after?.id, limit, member, names, prefixes],
  })
  return rows.map(({ at, key, ...row }) => ({ job: toJob(row), place: { at, id: key } }))
}

/** The condition that the member may see the job `j`: it is no command, or not one of a project that it may not enter. */
function visibleTo(member: string): string {
  // A scalar subquery is never planned as a join, which would scan all projects.
  return `(${member}::text is null or j.kind <> '${COMMAND_KIND}' or (
           select p.members = '{}' or ${member} = any (p.members) from sluice.projects p
            where p.workspace = j.workspace and p.id = j.project) is not false)`
}
