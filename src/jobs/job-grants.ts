/**
 * The names by which grants know the stream of a job: `job:<id>`, and for a job of a project `project/<project>/<id>`. So the
 * prefix `project/website/*` grants the jobs of a project, and no job of another one: `/`, `%` and `*` in the name of a project are
 * written as `%2F`, `%25` and `%2A`.
 */

import type { Grants } from '../auth/grants/grants.js'
import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { RESERVED_PREFIX } from '../log/event-catalogue.js'
import { NamePatterns } from '../log/name-patterns.js'
import { type Claim, type Job, jobOfStream, jobStream } from './job.js'

/**
 * Stands for the id of a job that is not known yet. Grants match it by a prefix only, because no entry contains an
 * asterisk before its end.
 */
export const UNKNOWN_JOB = '*'

export function namesOfJob(id: string, project: string | null | undefined): [string, ...string[]] {
  return [jobStream(id), ...(project ? [`${projectPrefix(project)}${id}`] : [])]
}

/** All jobs of the project, as a name that only a prefix can grant. */
export function jobsOfProject(project: string): string {
  return projectPrefix(project) + UNKNOWN_JOB
}

function projectPrefix(project: string): string {
  return `project/${project.replaceAll('%', '%25').replaceAll('/', '%2F').replaceAll('*', '%2A')}/`
}

/** The project of a job that goes by these names; undefined if it has none. */
export function projectIn([, ofProject]: readonly string[]): string | undefined {
  const [, project] = ofProject?.split('/') ?? []
  return project?.replaceAll('%2A', '*').replaceAll('%2F', '/').replaceAll('%25', '%')
}

/** A job shows what these events say, so a caller that may read some of them only does not see jobs, but their other events. */
export const JOB_TYPES = [`${RESERVED_PREFIX}*`]
/** A dialect shows events of all types in its own messages. */
export const DIALECT_TYPES = ['*']

/** Whether the caller may read jobs as such, of the streams that it may read. */
function showsJobs(grants: Grants | undefined): boolean {
  return grants === undefined || NamePatterns.of(JOB_TYPES).isWithin(grants.types)
}

/** The streams of the jobs in a list for a caller; undefined: all. */
export function jobsToRead(grants: Grants | undefined): NamePatterns | undefined {
  return showsJobs(grants) ? grants?.subscribe : NamePatterns.NONE
}

/** The streams of the jobs that a runner may claim; undefined: all. */
export function jobsToClaim(grants: Grants | undefined): NamePatterns | undefined {
  return grants && (grants.types.matches('job.started') ? grants.publish : NamePatterns.NONE)
}

/** The streams of granted jobs in SQL; both null: every job. */
export interface GrantedJobs {
  readonly names: readonly string[] | null
  readonly prefixes: readonly string[] | null
}

/** The condition that all jobs of the project `row` are granted. */
export function isGrantedProject(row: string, prefixes: string): string {
  return `(${prefixes}::text[] is null or 'project/' || ${escaped(`${row}.id`)} || '/' ^@ any (${prefixes}::text[]))`
}

export type QueuedJob = Pick<Job, 'id' | 'project'>

/** A claim of a runner that may claim only some jobs. */
export type GrantedClaim = Claim & {
  readonly granted?: NamePatterns | undefined
  /** Selects the jobs that the runner may claim by decisions at run time, in their order; default: all. */
  readonly decided?: ((jobs: readonly QueuedJob[]) => Promise<readonly QueuedJob[]>) | undefined
}

export function grantedJobs(granted: NamePatterns | undefined): GrantedJobs {
  return { names: granted?.exact ?? null, prefixes: granted?.prefixes ?? null }
}

/** The condition that the job `row` is among the granted ones. */
export function isGranted(row: string, names: string, prefixes: string): string {
  const project = escaped(`${row}.project`)
  return `(${names}::text[] is null or exists (
           select from unnest(array['job:' || ${row}.name, 'project/' || ${project} || '/' || ${row}.name]) as stream (name)
            where stream.name = any (${names}::text[]) or stream.name ^@ any (${prefixes}::text[])))`
}

/**
 * The names of a stream. A job that does not exist takes as long as one of another project.
 * @param knowsEnough whether a name alone decides, so that the project of a job need not be read.
 */
export async function namesOfStream(
  database: Database,
  workspace: string,
  stream: string,
  knowsEnough: (name: string) => boolean,
): Promise<string[]> {
  const id = jobOfStream(stream)
  if (id === undefined || knowsEnough(stream)) return [stream]
  return namesOfJob(id, await projectOf(database, workspace, id))
}

async function projectOf(
  database: Database,
  workspace: string,
  id: string,
): Promise<string | null | undefined> {
  const { rows } = await inWorkspace(database, workspace, client =>
    client.query<{ project: string | null }>({
      name: 'sluice-project-of-job',
      text: 'select j.project from sluice.jobs j where j.workspace = $1 and j.name = $2',
      values: [workspace, id],
    }),
  )
  return rows[0]?.project
}

/** The escapes of `projectPrefix` in SQL. */
function escaped(project: string): string {
  return `replace(replace(replace(${project}, '%', '%25'), '/', '%2F'), '*', '%2A')`
}
