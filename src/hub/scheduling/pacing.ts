/**
 * The pauses of busy streams. A stream whose clients took long to write to rests before it is read again, so that
 * however many events and clients it has, the others get their share of the event loop; what it was sent meanwhile
 * goes to each client in one write. The first event after a pause never waits.
 */
import type { StreamId } from '../../log/event.js'

/** A stream rests so many times as long as its turn took: it gets a quarter of the event loop at most. */
const REST_PER_TURN = 3
/** Not longer: with the turn of 2,000 clients an event is then a tenth of a second late at most, which nobody notices. */
const LONGEST_REST_MS = 75
/** Timers are not finer. */
const SHORTEST_REST_MS = 1

interface Rest {
  timer?: NodeJS.Timeout
  woken: boolean
}

export class Rests {
  readonly #rests = new Map<StreamId, Rest>()
  readonly #wake: (id: StreamId) => void

  /** @param wake called at the end of a rest in which the stream was woken. */
  constructor(wake: (id: StreamId) => void) {
    this.#wake = wake
  }

  /** Holds a stream back until `after` is called for it: its turn is not over yet. */
  hold(id: StreamId): void {
    const rest = this.#rests.get(id) ?? { woken: false }
    clearTimeout(rest.timer)
    this.#rests.set(id, rest)
  }

  /** Lets a stream rest after a turn that took so long, in milliseconds. */
  after(id: StreamId, turnMs: number): void {
    const rest = this.#rests.get(id) ?? { woken: false }
    clearTimeout(rest.timer)
    const ms = Math.min(turnMs * REST_PER_TURN, LONGEST_REST_MS)
    if (ms < SHORTEST_REST_MS) {
      this.#end(id, rest)
      return
    }
    rest.timer = setTimeout(() => this.#end(id, rest), ms)
    this.#rests.set(id, rest)
  }

  /** Whether the stream rests; if so, it is woken afterwards. */
  defer(id: StreamId): boolean {
    const rest = this.#rests.get(id)
    if (rest) rest.woken = true
    return rest !== undefined
  }

  close(): void {
    for (const { timer } of this.#rests.values()) clearTimeout(timer)
  }

  #end(id: StreamId, { woken }: Rest): void {
    this.#rests.delete(id)
    if (woken) this.#wake(id)
  }
}
