/** Long times in short tests: the clock of this process runs on as ever, and can be put forward. */
import type { Test } from 'tap'

/** What reads `Date.now()` sees the time pass; timers are not touched. Put right when the test is over. */
export function movableClock(test: Test): { forward(ms: number): void } {
  const { now } = Date
  let ahead = 0
  Date.now = () => now() + ahead
  test.teardown(() => {
    Date.now = now
  })
  return {
    forward: ms => {
      ahead += ms
    },
  }
}
