/** The table sluice.stream_slots, in which the database grants slots of open streams to the processes. */
import type { Database } from '../database/pool.js'
import { inFullBatches, SWEEP_BATCH, type Sweep } from '../database/sweep.js'
import type { ClaimSlots } from './shared-slots.js'

/** No request waits for the answer, but the next exchange does. */
const DEADLINE_MS = 5_000

/** @param node the id of this process in sluice.nodes. */
export function claimsIn(database: Database, node: string): ClaimSlots {
  return async claims => {
    const statement = {
      name: 'sluice-claim-slots',
      text: 'select granted, free from sluice.claim_stream_slots($1, $2, $3, $4)',
      values: [
        node,
        // The key of a principal contains a space, and so do all keys with their limits.
        claims.map(({ limit, key }) => `${limit} ${key}`),
        claims.map(({ wanted }) => wanted),
        claims.map(({ cap }) => cap),
      ],
      query_timeout: DEADLINE_MS,
    }
    const { rows } = await database.query<{ granted: number[]; free: number[] }>(statement)
    const [row] = rows
    if (!row) throw new Error('sluice.claim_stream_slots has not answered.')
    return row.granted.map((granted, at) => ({ granted, free: row.free[at] ?? 0 }))
  }
}

/** The sweep of rows whose processes are all gone. Processes that stop in order, and those that claim the same key, leave none. */
export function slotSweep(database: Database): Sweep {
  const remove = async () => {
    const { rows } = await database.query<{ removed: number }>({
      name: 'sluice-sweep-slots',
      text: 'select sluice.sweep_stream_slots($1) as removed',
      values: [SWEEP_BATCH],
    })
    return rows[0]?.removed ?? 0
  }
  return { name: 'slots of open streams', run: signal => inFullBatches(remove, signal) }
}
