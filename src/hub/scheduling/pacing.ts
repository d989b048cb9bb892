/**
 * Decides when a stream is delivered, for how long, and when others get a turn (I5). The tailer and the hub only ask it.
 *
 * - **Pauses.** After a delivery a stream may be paused: it is not read again for as long as pause-rule.ts says. What is
 *   appended meanwhile goes to each client in one write. The first event after a pause never waits, and a stream that is
 *   behind is not paused, or it would fall behind further. So a stream is free, held while its delivery goes on, or paused.
 *   If it is to be read while it is held or paused, it is woken when it is free again.
 * - **Slices.** A delivery that is not done after 5 ms continues in later turns of the event loop (fair-scheduler.ts); its
 *   stream gets nothing new until it is done. The tailer, too, yields after 5 ms of short deliveries.
 * - **Turns.** Catching-up subscribers ask for a turn before each payload, and share one slice a turn. So do clients that have waited
 *   together to open their streams, in a line of their own: they would wait for a payload of everybody who catches up.
 */
import type { StreamId } from '../../log/event.js'
import { FairScheduler, Slice } from './fair-scheduler.js'
import { PauseRule } from './pause-rule.js'

export interface Delivery {
  readonly id: StreamId
  /** The number of clients that get the events. */
  readonly clients: number
  /** In the data of all events together. */
  readonly characters: number
  /** Whether the log already has more for the stream, which is then not paused. */
  readonly isBehind: boolean
}

/** A delivery under way, or the pause after it, which has the timer. */
interface Pause {
  timer?: NodeJS.Timeout
  woken: boolean
}

export class Pacing {
  readonly #scheduler = new FairScheduler()
  readonly #openings = new FairScheduler()
  readonly #pauses = new Map<StreamId, Pause>()
  readonly #wake: (id: StreamId) => void
  readonly #rule: Pick<PauseRule, 'pauseAfter'>

  /**
   * @param wake called when a postponed stream may be read again.
   * @param rule the length of pauses; default: that of `latency`.
   */
  constructor(
    wake: (id: StreamId) => void = () => {},
    rule: Pick<PauseRule, 'pauseAfter'> = new PauseRule('latency'),
  ) {
    this.#wake = wake
    this.#rule = rule
  }

  /** Whether the stream must not be read now; if so, it is woken as soon as it may be read. */
  postpone(id: StreamId): boolean {
    const pause = this.#pauses.get(id)
    if (pause) pause.woken = true
    return pause !== undefined
  }

  /**
   * Delivers to a stream, and then pauses it if the rule says so.
   * @returns the result of `deliver`: a promise if the delivery continues in later turns.
   */
  deliver(delivery: Delivery, deliver: () => Promise<void> | void): Promise<void> | undefined {
    const { id, clients, characters, isBehind } = delivery
    const delivering = deliver()
    const pause = () => this.#pause(id, isBehind ? 0 : this.#rule.pauseAfter(clients, characters))
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

  /** Resolves when it is the caller's turn to go on with opening its stream. */
  turnToOpen(): Promise<void> {
    return this.#openings.next()
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

  #pause(id: StreamId, ms: number): void {
    const pause = this.#pauses.get(id) ?? { woken: false }
    clearTimeout(pause.timer)
    if (ms === 0) {
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
