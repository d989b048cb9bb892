/** The time of the deliverer, and its alarms. Tests have a clock of their own, in which days pass at once. */

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `act` at a time, or at once if it is past. @returns a function that cancels it. */
  at(time: number, act: () => void): () => void
}

/** A longer wait takes several. Node keeps a list for each delay of such timers until it has passed, so long ones of all lengths would add up. */
const LONGEST_TIMER_MS = 60_000

export const systemClock: Clock = {
  now: () => Date.now(),
  at(time, act) {
    let timer: NodeJS.Timeout
    const look = () => {
      const left = time - Date.now()
      if (left <= 0) act()
      else set(left)
    }
    const set = (ms: number) => {
      timer = setTimeout(look, Math.min(Math.max(0, ms), LONGEST_TIMER_MS)).unref()
    }
    set(time - Date.now())
    return () => clearTimeout(timer)
  },
}
