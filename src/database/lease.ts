/** The table sluice.leases: work that one process alone should do at a time. Two may for a moment, so it must be harmless twice. */
import type { Queryable } from './pool.js'

const DEADLINE_MS = 2_500

/** Takes or renews a lease. @param holder a UUID. @returns whether this process has it for the next `durationMs`. */
export async function holdLease(
  database: Queryable,
  name: string,
  holder: string,
  durationMs: number,
): Promise<boolean> {
  const statement = {
    name: 'sluice-hold-lease',
    text: 'select sluice.hold_lease($1, $2, $3) as held',
    values: [name, holder, durationMs],
    query_timeout: DEADLINE_MS,
  }
  const { rows } = await database.query<{ held: boolean }>(statement)
  return rows[0]?.held ?? false
}

/** Ends the lease, if this process has it. */
export async function leaveLease(database: Queryable, name: string, holder: string): Promise<void> {
  const statement = {
    name: 'sluice-leave-lease',
    text: 'select sluice.leave_lease($1, $2)',
    values: [name, holder],
    query_timeout: DEADLINE_MS,
  }
  await database.query(statement)
}
