/** The queued jobs that claims accept: how many there are, in one statement for all waiting claims, and the first of them. */
import type { Database } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { type GrantedJobs, isGranted, type QueuedJob } from './job-grants.js'

/** The jobs of a workspace that a claim accepts. Undefined projects or kinds accept all. */
export interface QueueFilter extends GrantedJobs {
  readonly workspace: string
  readonly projects: readonly string[] | undefined
  readonly kinds: readonly string[] | undefined
  /** Set if decisions are made about each caller, so that jobs refused to one of them do not keep another waiting. */
  readonly caller?: string | undefined
}

/** @returns for each filter the number of queued jobs, at most `wanted`. */
export async function countQueued(
  database: Database,
  filters: readonly (QueueFilter & { readonly wanted: number })[],
): Promise<number[]> {
  const { rows } = await database.query<{ jobs: number }>({
    name: 'sluice-count-queued',
    text: `
      select (select count(*) from (
               select from sluice.jobs q
                where q.workspace = f.workspace and q.status = 'queued'
                  and (f.projects is null or q.project = any (f.projects))
                  and (f.kinds is null or q.kind = any (f.kinds))
                  and ${isGranted('q', 'f.names', 'f.prefixes')}
                limit f.wanted) j)::int as jobs
        from rows from (
               json_to_recordset($1::json) as (
                 workspace text, projects text[], kinds text[], names text[], prefixes text[], wanted int)
             ) with ordinality f
       order by f.ordinality`,
    values: [JSON.stringify(filters)],
  })
  return rows.map(({ jobs }) => jobs)
}

/** In the order of the queue. @param first the number of jobs that are passed over. */
export async function selectQueued(
  database: Database,
  { workspace, projects, kinds, names, prefixes }: QueueFilter,
  first: number,
  limit: number,
): Promise<QueuedJob[]> {
  const { rows } = await inWorkspace(database, workspace, client =>
    client.query<QueuedJob>({
      name: 'sluice-select-queued',
      text: `
        select q.name as id, q.project from sluice.jobs q
         where q.workspace = $1 and q.status = 'queued'
           and ($2::text[] is null or q.project = any ($2)) and ($3::text[] is null or q.kind = any ($3))
           and ${isGranted('q', '$4', '$5')}
         order by q.priority desc, q.created_at, q.id
        offset $6 limit $7`,
      values: [workspace, projects, kinds, names, prefixes, first, limit],
    }),
  )
  return rows
}
