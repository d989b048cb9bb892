/** The delay of this process's event loop: how long a timer that was due had to wait. Costs about 0.1 % of a core. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Time between two measurements. Node's figures include it. */
const RESOLUTION_MS = 20

export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  constructor() {
    this.#histogram.enable()
  }

  /** The longest delay since the last call, in ms. */
  longestMs(): number {
    const { count, max } = this.#histogram
    this.#histogram.reset()
    return count === 0 ? 0 : Math.max(0, max / 1e6 - RESOLUTION_MS)
  }

  /** Closing twice is fine. */
  close(): void {
    this.#histogram.disable()
  }
}
