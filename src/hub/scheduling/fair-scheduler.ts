/**
 * Shares the event loop among long pieces of work. Work runs in slices: if it is not done after 5 ms, it continues in a later
 * turn of the event loop, and everything else that is due runs in between. Waiting callers continue in order of arrival, each
 * at most once a turn, and together for one slice at most. So a thousand catching-up clients delay the others no longer than
 * one does.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

const SLICE_MS = 5

/** A share of one turn of the event loop. */
export class Slice {
  #end = performance.now() + SLICE_MS

  get isOver(): boolean {
    return performance.now() >= this.#end
  }

  /** Waits for a later turn, and begins a slice there. */
  async renew(): Promise<void> {
    await nextTurn()
    this.#end = performance.now() + SLICE_MS
  }
}

export class FairScheduler {
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
   * Runs work to its end; each of its steps must be short.
   * @returns undefined if the work fitted into one slice and is done; else a promise that resolves at its end.
   */
  run(work: Iterator<unknown>): Promise<void> | undefined {
    return runSlice(work) ? undefined : this.#finish(work)
  }

  async #finish(work: Iterator<unknown>): Promise<void> {
    do await this.next()
    while (!runSlice(work))
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => void this.#turn())
  }

  async #turn(): Promise<void> {
    const slice = new Slice()
    const present = this.#waiting
    this.#waiting = []
    let served = 0
    do {
      present[served]?.()
      served += 1
      // The caller continues before this line does, so its work is done when the clock is read.
      await undefined
    } while (served < present.length && !slice.isOver)
    this.#waiting = [...present.slice(served), ...this.#waiting]
    this.#scheduled = false
    if (this.#waiting.length > 0) this.#schedule()
  }
}

/** @returns whether the work is done; false if its slice was over first. */
function runSlice(work: Iterator<unknown>): boolean {
  const slice = new Slice()
  do {
    if (work.next().done) return true
  } while (!slice.isOver)
  return false
}
