/**
 * Shares the event loop among those who have much to write. Work goes by slices: what is not done after 5 ms goes on in
 * a later turn of the loop, so that all else that is due gets its turn in between. Those who wait go on in the order in
 * which they came, each once a turn at most, and no more of them in one turn than together fit into a slice: a thousand
 * clients that catch up delay the others no longer than one.
 */
const SLICE_MS = 5

export class Turns {
  #waiting: (() => void)[] = []
  #scheduled = false

  /** Resolves in a later turn of the event loop, when it is the caller's turn. */
  next(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#schedule()
    })
  }

  /**
   * Does work to its end, of which each step is short.
   * @returns undefined when it is done already, as all is that fits into a slice; else the promise of its end.
   */
  run(work: Iterator<unknown>): Promise<void> | undefined {
    return slice(work) ? undefined : this.#finish(work)
  }

  async #finish(work: Iterator<unknown>): Promise<void> {
    do await this.next()
    while (!slice(work))
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => void this.#turn())
  }

  async #turn(): Promise<void> {
    const end = performance.now() + SLICE_MS
    const present = this.#waiting
    this.#waiting = []
    let served = 0
    do {
      present[served]?.()
      served += 1
      // Behind what waited for this promise: so its work is done when the clock is looked at.
      await undefined
    } while (served < present.length && performance.now() < end)
    this.#waiting = [...present.slice(served), ...this.#waiting]
    this.#scheduled = false
    if (this.#waiting.length > 0) this.#schedule()
  }
}

/** Does steps until the work is done, which it says, or a slice is over. */
function slice(work: Iterator<unknown>): boolean {
  const end = performance.now() + SLICE_MS
  do {
    if (work.next().done) return true
  } while (performance.now() < end)
  return false
}
