/** How much work waits and runs in the whole database. Index probes of the partial indexes of unfinished jobs. */
import type { Database } from '../database/pool.js'

export interface QueueFigures {
  readonly queued: number
  readonly running: number
  /** The age in seconds of the job that has been in the queue for longest; 0 if the queue is empty. */
  readonly oldestSeconds: number
}

/** More are counted as this many, so that a scrape stays cheap. */
const MOST = 10_000

export async function readQueueFigures(database: Database): Promise<QueueFigures> {
  const { rows } = await database.query<QueueFigures>({
    name: 'sluice-queue-figures',
    text: `
      select (select count(*) from (select from sluice.jobs where status = 'queued' limit $1) j) as queued,
             (select count(*) from (select from sluice.jobs where status = 'running' limit $1) j) as running,
             coalesce((select extract(epoch from clock_timestamp() - j.queued_at)::float8 from sluice.jobs j
                        where j.status = 'queued' and j.queued_at is not null
                        order by j.queued_at limit 1), 0) as "oldestSeconds"`,
    values: [MOST],
  })
  const [row] = rows
  if (!row) throw new Error('The queue has no figures.')
  return row
}
