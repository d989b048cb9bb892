/** One alarm on a clock: the soonest of the times that were asked for since it last rang. */
import type { Clock } from './clock.js'

export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #set: { readonly at: number; cancel(): void } | undefined
  #off = false

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** @param at in milliseconds since 1970. */
  ringAt(at: number): void {
    if (this.#off || (this.#set && this.#set.at <= at)) return
    this.#set?.cancel()
    const cancel = this.#clock.at(at, () => {
      this.#set = undefined
      this.#ring()
    })
    this.#set = { at, cancel }
  }

  /** Cancels the alarm. */
  close(): void {
    this.#off = true
    this.#set?.cancel()
  }
}
