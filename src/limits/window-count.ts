/**
 * The count of one key in a sliding window: a fixed window plus the window before it, weighted by its part that is
 * still within the sliding window. Half a minute into this minute, half of the last one counts.
 *
 * It counts the requests of this process, and now and then adopts the counts of all processes. Between two such
 * exchanges the total is the last known one plus this process's own counts since then, so it never waits.
 */

/** The counts of this process that the others do not have yet, in the current window and the one before. */
export interface Unsent {
  readonly current: number
  readonly previous: number
}

/** The counts of all processes together, in this window and the one before. */
export interface Totals extends Unsent {
  readonly window: number
}

export class WindowCount {
  #window: number
  #current = 0
  #previous = 0
  #unsent = 0
  #unsentBefore = 0

  /** @param window the number of the current window: windows since 1970. */
  constructor(window: number) {
    this.#window = window
  }

  get window(): number {
    return this.#window
  }

  /** The part of `current` that the other processes do not have yet. */
  get unsent(): number {
    return this.#unsent
  }

  /** @param elapsed the elapsed share of the current window, 0 to 1. */
  weighted(elapsed: number): number {
    return this.#previous * (1 - elapsed) + this.#current
  }

  add(cost = 1): void {
    this.#current += cost
    this.#unsent += cost
  }

  /** Windows from now until the count falls below `max`, if nothing is added. */
  until(max: number, elapsed: number): number {
    if (this.weighted(elapsed) < max) return 0
    if (this.#current < max) return 1 - (max - this.#current) / this.#previous - elapsed
    return 1 - elapsed + 1 - max / this.#current
  }

  /** Advances to a window. After a jump of more than one, or backwards, the counts start again. */
  moveTo(window: number): void {
    const step = window - this.#window
    if (step === 0) return
    this.#previous = step === 1 ? this.#current : 0
    this.#unsentBefore = step === 1 ? this.#unsent : 0
    this.#current = 0
    this.#unsent = 0
    this.#window = window
  }

  /** The counts to send to the other processes: from now on they count as sent. */
  take(): Unsent {
    const taken = { current: this.#unsent, previous: this.#unsentBefore }
    this.#unsent = 0
    this.#unsentBefore = 0
    return taken
  }

  /** The counts could not be sent. Counts of a window that has passed meanwhile are dropped. */
  giveBack({ current, previous }: Unsent, window: number): void {
    if (window === this.#window) {
      this.#unsent += current
      this.#unsentBefore += previous
    } else if (window === this.#window - 1) this.#unsentBefore += current
  }

  /** Replaces the known totals with the new ones, and adds what this process has counted meanwhile. */
  adopt({ window, current, previous }: Totals): void {
    if (window > this.#window) this.moveTo(window)
    this.#window = window
    this.#current = current + this.#unsent
    this.#previous = previous + this.#unsentBefore
  }
}
