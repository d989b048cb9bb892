/** The sweeps of the log: events that have outlived the retention of their kind of stream, unused streams, idempotency keys. */
import type { Database } from '../database/pool.js'
import { inBatches, inFullBatches, SWEEP_BATCH, type Sweep } from '../database/sweep.js'
import { SqlState, sqlState } from '../problems/problem.js'
import { FEED, type StreamId } from './event.js'
import { noteUse } from './log.js'
import { findDue, retainDue, retainOwn, retainStream } from './stored-streams.js'

/** Number of streams whose use one statement notes. */
const NOTED_TOGETHER = 1_000
/** Maximum number of locked streams that a sweep waits for, a second each. */
const MOST_BUSY = 20
const KEYS_KEPT_DAYS = 1

export interface EventSweepOptions {
  readonly database: Database
  /**
   * Days that events are kept, by kind of stream. A kind that is 0 or missing keeps its events for ever. Options of a stream or
   * of its workspace decide before that.
   */
  readonly days: Readonly<Record<string, number>>
  /** The streams that are followed in this process: they are kept although they have no events. Default none. */
  followed?(): readonly StreamId[]
}

export function eventSweep({ database, days, followed = () => [] }: EventSweepOptions): Sweep {
  return {
    name: 'events',
    async run(signal) {
      await noteUses(database, followed(), signal)
      let removed = 0
      for (const [kind, kept] of Object.entries(days)) {
        if (kept > 0) removed += await retain(database, kind, kept, signal)
      }
      return removed + (await retainByOptions(database, days[FEED] || null, signal))
    },
  }
}

export function idempotencyKeySweep(database: Database): Sweep {
  return { name: 'idempotency keys', run: signal => inFullBatches(() => removeKeys(database), signal) }
}

async function noteUses(database: Database, ids: readonly StreamId[], signal: AbortSignal): Promise<void> {
  for (let first = 0; first < ids.length && !signal.aborted; first += NOTED_TOGETHER) {
    await noteUse(database, ids.slice(first, first + NOTED_TOGETHER))
  }
}

async function retain(database: Database, kind: string, days: number, signal: AbortSignal): Promise<number> {
  let after: string | undefined
  let removed = await inBatches(async () => {
    const batch = await retainDue(database, kind, days, SWEEP_BATCH, after)
    after = batch.after
    return batch
  }, signal)
  // A transaction that keeps its stream locked, such as a prepared one, holds up the retention of that stream alone.
  for (const id of await findDue(database, kind, days, MOST_BUSY)) {
    if (signal.aborted) break
    removed += await retainLocked(database, id, days)
  }
  return removed
}

/** @param days of the streams whose options name no age; null: for ever. */
async function retainByOptions(
  database: Database,
  days: number | null,
  signal: AbortSignal,
): Promise<number> {
  const busy = new Set<StreamId>()
  let removed = await inBatches(async () => {
    const batch = await retainOwn(database, days, SWEEP_BATCH)
    for (const id of batch.busy.slice(0, MOST_BUSY - busy.size)) busy.add(id)
    return batch
  }, signal)
  for (const id of busy) {
    if (!signal.aborted) removed += await retainLocked(database, id, days)
  }
  return removed
}

/** Waits for a stream that a transaction keeps locked, but not for long. */
async function retainLocked(database: Database, id: StreamId, days: number | null): Promise<number> {
  try {
    return await retainStream(database, id, days, SWEEP_BATCH)
  } catch (error) {
    if (sqlState(error) === SqlState.lockNotAvailable) return 0
    throw error
  }
}

async function removeKeys(database: Database): Promise<number> {
  const { rows } = await database.query<{ removed: number }>({
    name: 'sluice-forget-keys',
    text: `select sluice.forget_keys($1::float8 * interval '1 day', $2) as removed`,
    values: [KEYS_KEPT_DAYS, SWEEP_BATCH],
  })
  return rows[0]?.removed ?? 0
}
