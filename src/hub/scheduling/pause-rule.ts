/**
 * How long a stream is paused after a delivery. A pause delays events, and saves CPU: the events of a pause go to each client in
 * one write. So it is worth its delay only if the event loop has no time to spare.
 *
 * With `latency` the limit of all pauses follows the event loop, which is in one of two states:
 *
 * - **Idle at times.** The limit is 0: no stream is paused. The process starts here.
 * - **Always busy.** The limit is 5 to 25 ms. At each look it grows by 5 ms if the loop was busy for at least 85 % of the time,
 *   shrinks by 5 ms if it was busy for less than 70 %, and stays the same in between. At 0 the loop is idle at times again.
 *
 * A look comes with the first delivery at least 200 ms after the last look, and covers the time between the two. All work of the
 * process makes the loop busy, so clients that catch up, publishers and other streams count as much as deliveries.
 *
 * With `cpu` the limit is always 75 ms.
 *
 * Below the limit a pause lasts three times as long as the delivery before it, so a stream of few clients is not paused at all.
 * The length of the delivery is computed from its size: on a shared or throttled machine a clock would also count the time of
 * other processes.
 */
import { performance } from 'node:perf_hooks'
import type { Config } from '../../config/config.js'

const LOOK_MS = 200
const BUSY = 0.85
const NOT_BUSY = 0.7
const STEP_MS = 5
const LONGEST_PAUSE_MS = { latency: 25, cpu: 75 }
/** Timers have no finer resolution. */
const SHORTEST_PAUSE_MS = 1
const PAUSE_PER_DELIVERY = 3
/** Measured, for the whole path of an event: 8 to 16 µs a client, depending on the machine, and 0.3 ns more for each character. */
const MS_PER_WRITE = 0.01
const MS_PER_CHARACTER = 0.3e-6

export interface Loop {
  /** Milliseconds on a clock that never goes back. */
  now(): number
  /** The milliseconds since the start in which the event loop waited for work. */
  idle(): number
}

const eventLoop: Loop = {
  now: () => performance.now(),
  idle: () => performance.eventLoopUtilization().idle,
}

export class PauseRule {
  readonly #mode: Config['PACING']
  readonly #loop: Loop
  #limitMs: number
  #last: { readonly now: number; readonly idle: number }

  /** @param loop default: the event loop of this thread. */
  constructor(mode: Config['PACING'], loop = eventLoop) {
    this.#mode = mode
    this.#loop = loop
    this.#limitMs = mode === 'cpu' ? LONGEST_PAUSE_MS.cpu : 0
    this.#last = { now: loop.now(), idle: loop.idle() }
  }

  /** Milliseconds to pause after a delivery of that many characters to each of that many clients; 0 for none. */
  pauseAfter(clients: number, characters: number): number {
    if (this.#mode === 'latency') this.#look()
    const deliveryMs = clients * (MS_PER_WRITE + characters * MS_PER_CHARACTER)
    const pauseMs = Math.min(deliveryMs * PAUSE_PER_DELIVERY, this.#limitMs)
    return pauseMs < SHORTEST_PAUSE_MS ? 0 : pauseMs
  }

  #look(): void {
    const now = this.#loop.now()
    const elapsed = now - this.#last.now
    if (elapsed < LOOK_MS) return
    const idle = this.#loop.idle()
    const busy = 1 - (idle - this.#last.idle) / elapsed
    this.#last = { now, idle }
    if (busy >= BUSY) this.#limitMs = Math.min(this.#limitMs + STEP_MS, LONGEST_PAUSE_MS.latency)
    else if (busy < NOT_BUSY) this.#limitMs = Math.max(this.#limitMs - STEP_MS, 0)
  }
}
