/**
 * The removal of rows that have expired. Each room sweeps its own tables and exports a `Sweep` for that; one periodic loop
 * runs them all (plugins/retention.ts). Any process may run a sweep, even while another one does.
 */
import { elapsed } from '../process/deadline.js'

/** Rows that one statement removes. An append waits for the end of a batch; measured: 5,000 events are 20 to 40 ms. */
export const SWEEP_BATCH = 5_000
/** Pause between two batches, in which other statements can run. */
const PAUSE_MS = 20

export interface Sweep {
  /** Name of the rows that the sweep removes, for the log, such as `events`. */
  readonly name: string
  /**
   * Removes everything that has expired, in batches, and ends early when `signal` aborts.
   * @returns the number of removed rows; 0 also while another process removes them.
   */
  run(signal: AbortSignal): Promise<number>
}

/** The number of rows that one batch has removed, and whether there may be more. */
export interface SweptBatch {
  readonly removed: number
  readonly more: boolean
}

/** Removes batch after batch until no rows are left. @returns the number of removed rows. */
export async function inBatches(remove: () => Promise<SweptBatch>, signal: AbortSignal): Promise<number> {
  let total = 0
  while (!signal.aborted) {
    const { removed, more } = await remove()
    total += removed
    if (!more) break
    await elapsed(PAUSE_MS, signal)
  }
  return total
}

/** As `inBatches`, for a statement that returns only the number of removed rows: a full batch means that there may be more. */
export function inFullBatches(remove: () => Promise<number>, signal: AbortSignal): Promise<number> {
  return inBatches(async () => {
    const removed = await remove()
    return { removed, more: removed >= SWEEP_BATCH }
  }, signal)
}

/**
 * Runs all sweeps, one after the other. One that fails does not keep the others from running.
 * @throws the first error, after all of them.
 */
export async function sweepAll(
  sweeps: readonly Sweep[],
  signal: AbortSignal,
  onRemoved: (name: string, removed: number) => void,
): Promise<void> {
  const errors: unknown[] = []
  for (const { name, run } of sweeps) {
    try {
      const removed = await run(signal)
      if (removed > 0) onRemoved(name, removed)
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
