/** How many jobs wait that somebody would take, of all workspaces at once: the statement on that, a round trip. */
import type { Database } from '../database/pool.js'

/** Jobs of a workspace that a claim takes; without projects or kinds those of any. */
export interface QueueFilter {
  readonly workspace: string
  readonly projects: readonly string[] | undefined
  readonly kinds: readonly string[] | undefined
}

/** @returns for each filter the number of jobs that wait, `wanted` at most. */
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
                limit f.wanted) j)::int as jobs
        from rows from (
               json_to_recordset($1::json) as (workspace text, projects text[], kinds text[], wanted int)
             ) with ordinality f
       order by f.ordinality`,
    values: [JSON.stringify(filters)],
  })
  return rows.map(({ jobs }) => jobs)
}
