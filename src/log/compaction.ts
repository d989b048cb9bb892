/**
 * The sweep of events that a newer event of the same key has superseded, in streams with the option compact_key. It removes their
 * data, and keeps their rows, positions and UUIDs.
 */
import type { Database } from '../database/pool.js'
import { inBatches, SWEEP_BATCH, type Sweep, type SweptBatch } from '../database/sweep.js'

export function compactionSweep(database: Database): Sweep {
  return {
    name: 'the data of superseded events',
    run: signal => inBatches(() => compactDue(database), signal),
  }
}

async function compactDue(database: Database): Promise<SweptBatch> {
  const { rows } = await database.query<{ compacted: number; more: boolean }>({
    name: 'sluice-compact-due',
    text: 'select compacted, more from sluice.compact_due($1)',
    values: [SWEEP_BATCH],
  })
  const { compacted = 0, more = false } = rows[0] ?? {}
  return { removed: compacted, more }
}
