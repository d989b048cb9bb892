/**
 * Deadlines of the runner. They count short ticks instead of looking at the clock: while the machine or this process stands still, as
 * in a virtual machine that is paused, the client cannot act either, and such a pause counts as one tick. Each tick lasts as long
 * as the patience of that moment says, so a machine that becomes busy in the middle of a case gets more time from then on.
 */

/** How many times as long as on a quiet machine to wait, at this moment. */
export type Patience = () => number

const TICK_MS = 100

/** Calls `late` after `ms`, times the patience. @returns a function that cancels it. */
export function afterTicks(ms: number, patience: Patience, late: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const tick = (left: number) => {
    if (left <= 0) return late()
    timer = setTimeout(tick, Math.min(left, TICK_MS) * patience(), left - TICK_MS)
  }
  tick(ms)
  return () => clearTimeout(timer)
}
