/**
 * Where a lane stands: the cursor up to which everything is settled, and the deliveries after it in the order of the log. In a
 * parallel lane they end in any order; the cursor moves when the first of them is settled.
 */
import type { Cursor } from '../../hub/cursor.js'

interface Begun {
  readonly cursor: Required<Cursor>
  readonly at: number
  settled: boolean
}

export class LanePlace {
  #cursor: Required<Cursor>
  #begun: Begun[] = []

  constructor(cursor: Required<Cursor>) {
    this.#cursor = cursor
  }

  /** Everything up to here is settled: delivered, a dead letter or, in a parallel lane, stored as waiting. */
  get cursor(): Required<Cursor> {
    return this.#cursor
  }

  /** Whether something after the cursor was begun. */
  get isOpen(): boolean {
    return this.#begun.length > 0
  }

  /** The time of the first event that is not settled, in milliseconds since 1970. */
  get oldestAt(): number | undefined {
    return this.#begun[0]?.at
  }

  /** @param at the time of the event, in milliseconds since 1970. */
  begin(cursor: Required<Cursor>, at: number): void {
    this.#begun.push({ cursor, at, settled: false })
  }

  /** Takes back a delivery that was begun and is to be begun again. */
  withdraw(position: number): void {
    this.#begun = this.#begun.filter(({ cursor }) => cursor.position !== position)
  }

  settle(position: number): void {
    const begun = this.#begun.find(({ cursor }) => cursor.position === position)
    if (begun) begun.settled = true
    while (this.#begun[0]?.settled) this.#cursor = this.#begun.shift()?.cursor ?? this.#cursor
  }

  /** Moves over events that need no delivery, if nothing before them is under way. */
  pass(cursor: Required<Cursor>): void {
    if (!this.isOpen && cursor.position > this.#cursor.position) this.#cursor = cursor
  }

  /** Continues elsewhere: what is under way moves the cursor no longer. */
  restart(cursor: Required<Cursor>): void {
    this.#begun = []
    this.#cursor = cursor
  }
}
