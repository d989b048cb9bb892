/**
 * Decides when a stream is delivered, for how long, and when others get a turn (I5). The tailer and the hub only ask it.
 *
 * - **Pauses.** A stream whose delivery took long is not read again for three times as long, so however many events and
 *   clients it has, it takes at most a quarter of the event loop. What is appended meanwhile goes to each client in one
 *   write. The first event after a pause never waits, and a stream that is behind is not paused, or it would fall behind
 *   further.
 * - **Slices.** A delivery that is not done after 5 ms continues in later turns of the event loop (fair-scheduler.ts); its
 *   stream gets nothing new until it is done. The tailer, too, yields after 5 ms of short deliveries.
 * - **Turns.** Catching-up subscribers ask for a turn before each payload, and share one slice a turn.
 */
import type { StreamId } from '../../log/event.js'
import { FairScheduler, Slice } from './fair-scheduler.js'

/** A pause lasts this many times as long as the delivery before it. */
const PAUSE_PER_DELIVERY = 3
/** With the delivery to 2,000 clients, an event is then late by a tenth of a second at most, too little to notice. */
const LONGEST_PAUSE_MS = 75
/** Timers have no finer resolution. */
const SHORTEST_PAUSE_MS = 1

/** A delivery under way, or the pause after it, which has the timer. */
interface Pause {
  timer?: NodeJS.Timeout
  woken: boolean
}

export class Pacing {
  readonly #scheduler = new FairScheduler()
  readonly #pauses = new Map<StreamId, Pause>()
  readonly #wake: (id: StreamId) => void
  readonly #now: () => number

  /**
   * @param wake called when a postponed stream may be read again.
   * @param now milliseconds on a clock that never goes back; default: the process's.
   */
  constructor(wake: (id: StreamId) => void = () => {}, now = () => performance.now()) {
    this.#wake = wake
    this.#now = now
  }

  /** Whether the stream must not be read now; if so, it is woken as soon as it may be read. */
  postpone(id: StreamId): boolean {
    const pause = this.#pauses.get(id)
    if (pause) pause.woken = true
    return pause !== undefined
  }

  /**
   * Delivers to a stream, and then pauses it in proportion to the time that the delivery took.
   * @param isBehind whether the log already has more for the stream, which is then not paused.
   * @returns the result of `deliver`: a promise if the delivery continues in later turns.
   */
  deliver(id: StreamId, isBehind: boolean, deliver: () => Promise<void> | void): Promise<void> | undefined {
    const begun = this.#now()
    const delivering = deliver()
    const pause = () => this.#pause(id, isBehind ? 0 : this.#now() - begun)
    if (delivering) {
      this.#hold(id)
      return delivering.finally(pause)
    }
    pause()
    return undefined
  }

  /** Runs work in slices; each of its steps must be short. See FairScheduler.run. */
  run(work: Iterator<unknown>): Promise<void> | undefined {
    return this.#scheduler.run(work)
  }

  /** Resolves when it is the caller's turn to write one payload. */
  turn(): Promise<void> {
    return this.#scheduler.next()
  }

  /** A slice for a loop of short deliveries, which must not queue behind catching-up subscribers. */
  slice(): Slice {
    return new Slice()
  }

  close(): void {
    for (const { timer } of this.#pauses.values()) clearTimeout(timer)
  }

  /** Holds a stream back until it is paused. */
  #hold(id: StreamId): void {
    const pause = this.#pauses.get(id) ?? { woken: false }
    clearTimeout(pause.timer)
    this.#pauses.set(id, pause)
  }

  #pause(id: StreamId, deliveryMs: number): void {
    const pause = this.#pauses.get(id) ?? { woken: false }
    clearTimeout(pause.timer)
    const ms = Math.min(deliveryMs * PAUSE_PER_DELIVERY, LONGEST_PAUSE_MS)
    if (ms < SHORTEST_PAUSE_MS) {
      this.#resume(id, pause)
      return
    }
    pause.timer = setTimeout(() => this.#resume(id, pause), ms)
    this.#pauses.set(id, pause)
  }

  #resume(id: StreamId, { woken }: Pause): void {
    this.#pauses.delete(id)
    if (woken) this.#wake(id)
  }
}
