/** The time of the deliverer, and its alarms. Tests have a clock of their own, in which days pass at once. */

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `act` at a time, or at once if it is past. @returns a function that cancels it. */
  at(time: number, act: () => void): () => void
}

/** Longer timers fire at once (Node), so a longer wait takes several. */
const LONGEST_TIMER_MS = 86_400_000

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
