/**
 * The names by which grants know the stream of a job: `job:<id>`, and for a job of a project `project/<project>/<id>`. So the
 * prefix `project/website/*` grants the jobs of a project, and no job of another one: `/`, `%` and `*` in the name of a project are
 * written as `%2F`, `%25` and `%2A`.
 */

import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { jobOfStream, jobStream } from './job.js'

/** @param id empty for a job whose id is not known yet: only a prefix can grant it. */
export function namesOfJob(id: string, project: string | null | undefined): string[] {
  return [jobStream(id), ...(project ? [`${projectPrefix(project)}${id}`] : [])]
}

/** Every job of the project begins with it. */
export function projectPrefix(project: string): string {
  return `project/${project.replaceAll('%', '%25').replaceAll('/', '%2F').replaceAll('*', '%2A')}/`
}

/** The second name of the job `j` in SQL; null for a job without a project. */
export const PROJECT_NAME = `'project/' || ${escaped('j.project')} || '/' || j.name`

/** The SQL of the same escapes. */
export function escaped(project: string): string {
  return `replace(replace(replace(${project}, '%', '%25'), '/', '%2F'), '*', '%2A')`
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
