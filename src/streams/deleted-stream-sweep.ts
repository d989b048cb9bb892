/** The sweep of the events of deleted streams that were too many to remove at once. */
import type { Database } from '../database/pool.js'
import { inFullBatches, SWEEP_BATCH, type Sweep } from '../database/sweep.js'

export function deletedStreamSweep(database: Database): Sweep {
  return {
    name: 'events of deleted streams',
    run: signal => inFullBatches(() => removeDeleted(database), signal),
  }
}

async function removeDeleted(database: Database): Promise<number> {
  const { rows } = await database.query<{ removed: number }>({
    name: 'sluice-remove-deleted',
    text: 'select sluice.remove_deleted($1) as removed',
    values: [SWEEP_BATCH],
  })
  return rows[0]?.removed ?? 0
}
