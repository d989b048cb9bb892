/** The sweep of jobs: it removes a job and its stream some time after the job's end. */
import type { Database } from '../database/pool.js'
import { inFullBatches, SWEEP_BATCH, type Sweep } from '../database/sweep.js'

/** @param days that a job is kept after its end; 0 keeps it for ever. */
export function jobSweep(database: Database, days: number): Sweep {
  return {
    name: 'events of jobs',
    run: async signal => (days > 0 ? await inFullBatches(() => removeJobs(database, days), signal) : 0),
  }
}

/** @returns the number of removed events of jobs. */
async function removeJobs(database: Database, days: number): Promise<number> {
  const { rows } = await database.query<{ removed: number }>({
    name: 'sluice-forget-jobs',
    text: `select sluice.forget_jobs($1::float8 * interval '1 day', $2) as removed`,
    values: [days, SWEEP_BATCH],
  })
  return rows[0]?.removed ?? 0
}
