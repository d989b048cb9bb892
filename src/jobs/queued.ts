/** Counts queued jobs for the waiting claims of all workspaces, in one statement. */
import type { Database } from '../database/pool.js'
import { type GrantedJobs, isGranted } from './job-grants.js'

/** The jobs of a workspace that a claim accepts. Undefined projects or kinds accept all. */
export interface QueueFilter extends GrantedJobs {
  readonly workspace: string
  readonly projects: readonly string[] | undefined
  readonly kinds: readonly string[] | undefined
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
