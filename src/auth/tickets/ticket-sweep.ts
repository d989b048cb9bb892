/** The sweep of stream tickets that can no longer open a stream. */
import type { Database } from '../../database/pool.js'
import { inFullBatches, SWEEP_BATCH, type Sweep } from '../../database/sweep.js'

export function ticketSweep(database: Database): Sweep {
  return { name: 'stream tickets', run: signal => inFullBatches(() => removeTickets(database), signal) }
}

async function removeTickets(database: Database): Promise<number> {
  // A ticket that is being taken at this moment stays until the next sweep.
  const { rowCount } = await database.query({
    name: 'sluice-forget-tickets',
    text: `delete from sluice.stream_tickets t where t.ctid = any (array(
             select o.ctid from sluice.stream_tickets o where o.good_until < now()
             order by o.good_until limit $1 for update skip locked
           ))`,
    values: [SWEEP_BATCH],
  })
  return rowCount ?? 0
}
