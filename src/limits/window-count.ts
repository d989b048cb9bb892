/**
 * How often one key was counted in a sliding window: a fixed window and the one before it, which weighs as much as of it
 * still lies within the sliding one. Half a minute into this minute, half of the last one counts.
 *
 * It counts what this process does, and takes over now and then what all processes did. Between two such exchanges it
 * is what was known then and what was counted here since, so it never waits for anybody.
 */

/** What has been counted here and nobody else knows yet: in the present window and the one before. */
export interface Unsent {
  readonly current: number
  readonly previous: number
}

/** What all processes together have counted, in this window and the one before. */
export interface Totals extends Unsent {
  readonly window: number
}

export class WindowCount {
  #window: number
  #current = 0
  #previous = 0
  #unsent = 0
  #unsentBefore = 0

  /** @param window number of the present window: windows since 1970. */
  constructor(window: number) {
    this.#window = window
  }

  get window(): number {
    return this.#window
  }

  /** How much of `current` nobody else knows yet. */
  get unsent(): number {
    return this.#unsent
  }

  /** @param elapsed how much of the present window is over, 0 to 1. */
  weighted(elapsed: number): number {
    return this.#previous * (1 - elapsed) + this.#current
  }

  add(): void {
    this.#current += 1
    this.#unsent += 1
  }

  /** Windows from now until less than `max` is counted, if nothing is added. */
  until(max: number, elapsed: number): number {
    if (this.weighted(elapsed) < max) return 0
    if (this.#current < max) return 1 - (max - this.#current) / this.#previous - elapsed
    return 1 - elapsed + 1 - max / this.#current
  }

  /** Goes on to a window. After more than one, or back, there is nothing left to go on from. */
  moveTo(window: number): void {
    const step = window - this.#window
    if (step === 0) return
    this.#previous = step === 1 ? this.#current : 0
    this.#unsentBefore = step === 1 ? this.#unsent : 0
    this.#current = 0
    this.#unsent = 0
    this.#window = window
  }

  /** What is to be told to the others: from now on it counts as told. */
  take(): Unsent {
    const taken = { current: this.#unsent, previous: this.#unsentBefore }
    this.#unsent = 0
    this.#unsentBefore = 0
    return taken
  }

  /** Could not be told. What belongs to a window that has passed meanwhile is let go. */
  giveBack({ current, previous }: Unsent, window: number): void {
    if (window === this.#window) {
      this.#unsent += current
      this.#unsentBefore += previous
    } else if (window === this.#window - 1) this.#unsentBefore += current
  }

  /** What all have counted takes the place of what was known; what was counted here meanwhile is added. */
  adopt({ window, current, previous }: Totals): void {
    if (window > this.#window) this.moveTo(window)
    this.#window = window
    this.#current = current + this.#unsent
    this.#previous = previous + this.#unsentBefore
  }
}
