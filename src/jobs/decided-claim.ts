/** Claims of runners about whose jobs a service decides at run time: each takes the first job of the queue that it may have. */
import type { Database } from '../database/pool.js'
import { NamePatterns } from '../log/name-patterns.js'
import { jobStream } from './job.js'
import type { GrantedClaim } from './job-grants.js'
import { type QueueFilter, selectQueued } from './queued.js'

/** Jobs about which the claim asks at the same time, and jobs that are read at once. */
const ASKED_AT_ONCE = 10
const READ_AT_ONCE = 100
/** The most jobs that one claim reads. Later ones wait until those before them have left the queue. */
const MAX_READ = 1_000

/**
 * @param take claims the first job of a claim; undefined if there is none.
 * @returns undefined if there is none for the runner among the first 1,000 jobs of the queue.
 */
export async function claimDecided<T>(
  database: Database,
  filter: QueueFilter,
  claim: GrantedClaim,
  take: (claim: GrantedClaim) => Promise<T | undefined>,
): Promise<T | undefined> {
  const { decided } = claim
  if (!decided) return take(claim)
  for (let first = 0; first < MAX_READ; first += READ_AT_ONCE) {
    const queued = await selectQueued(database, filter, first, READ_AT_ONCE)
    for (let asked = 0; asked < queued.length; asked += ASKED_AT_ONCE) {
      for (const { id } of await decided(queued.slice(asked, asked + ASKED_AT_ONCE))) {
        const taken = await take({ ...claim, granted: NamePatterns.of([jobStream(id)]) })
        if (taken !== undefined) return taken
      }
    }
    if (queued.length < READ_AT_ONCE) return undefined
  }
  return undefined
}
