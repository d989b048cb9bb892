/**
 * A clock for how long something stays valid. It never goes back, so a step of the system's clock into the past prolongs nothing; and
 * what the system's clock leaps ahead counts, because the monotonic clock stands still while a machine is suspended.
 */

/** What the system's clock gains in a shorter time is a correction, not a leap. */
const LEAP_MS = 1_000

/** @returns the time in milliseconds since any time. */
export function steadyClock(): () => number {
  const offset = () => Date.now() - performance.now()
  let before = offset()
  let leapt = 0
  return () => {
    const now = offset()
    if (now - before > LEAP_MS) leapt += now - before
    before = now
    return performance.now() + leapt
  }
}
