/**
 * Where a lane stands: the cursor up to which everything is settled, and the deliveries after it in the order of the log. In a
 * parallel lane they end in any order; the cursor moves when the first of them is settled.
 *
 * Invariant: the cursor is before every event that was begun and is not settled, also while it is to be begun again.
 */
import type { Cursor } from '../../hub/cursor.js'
import type { LaneChange } from './lane-host.js'

interface Begun {
  readonly cursor: Required<Cursor>
  readonly at: number
  settled: boolean
}

export class LanePlace {
  #cursor: Required<Cursor>
  #settled: Required<Cursor>
  /** The cursor as it was noted last. */
  #noted: Required<Cursor>
  #begun: Begun[] = []

  constructor(cursor: Required<Cursor>) {
    this.#cursor = cursor
    this.#settled = cursor
    this.#noted = cursor
  }

  /** Everything up to here is settled: delivered, a dead letter or, in a parallel lane, stored as waiting. */
  get cursor(): Required<Cursor> {
    return this.#cursor
  }

  /** The last place that the receiver may know. */
  get known(): Required<Cursor> {
    return this.#begun.at(-1)?.cursor ?? this.#settled
  }

  /** Whether something after the cursor was begun. */
  get isOpen(): boolean {
    return this.#begun.length > 0
  }

  /** Whether the cursor has moved since it was noted. */
  get hasMoved(): boolean {
    return this.#cursor.position > this.#noted.position
  }

  /** What to note: how far deliveries were settled, and how far the events after that need no delivery. */
  takeNote(): Pick<LaneChange, 'moved' | 'passed'> {
    const { position } = this.#noted
    this.#noted = this.#cursor
    return {
      moved: this.#settled.position > position ? this.#settled : undefined,
      passed: this.#cursor.position > Math.max(position, this.#settled.position) ? this.#cursor : undefined,
    }
  }

  /** The time of the first event that is not settled, in milliseconds since 1970. */
  get oldestAt(): number | undefined {
    return this.#begun[0]?.at
  }

  /**
   * One that is begun again keeps its place.
   * @param at the time of the event, in milliseconds since 1970.
   */
  begin(cursor: Required<Cursor>, at: number): void {
    const index = this.#begun.findIndex(begun => begun.cursor.position >= cursor.position)
    const next = this.#begun[index]
    if (!next) this.#begun.push({ cursor, at, settled: false })
    else if (next.settled || next.cursor.eventId !== cursor.eventId)
      this.#begun.splice(index, 0, { cursor, at, settled: false })
  }

  /** Takes back a delivery whose event the log has lost. */
  withdraw(position: number): void {
    this.#begun = this.#begun.filter(({ cursor }) => cursor.position !== position)
  }

  settle(position: number): void {
    const begun = this.#begun.find(({ cursor, settled }) => cursor.position === position && !settled)
    if (begun) begun.settled = true
    const open = this.#begun.findIndex(({ settled }) => !settled)
    const last = this.#begun.splice(0, open < 0 ? this.#begun.length : open).at(-1)
    if (last) this.#cursor = this.#settled = last.cursor
  }

  /** Moves over events that need no delivery, if nothing before them is under way. */
  pass(cursor: Required<Cursor>): void {
    if (!this.isOpen && cursor.position > this.#cursor.position) this.#cursor = cursor
  }

  /** The log has lost events that need no delivery. */
  goBack(): void {
    if (!this.isOpen) this.#cursor = this.#settled
    this.#noted = this.#cursor
  }

  /** Continues elsewhere: what is under way moves the cursor no longer. */
  restart(cursor: Required<Cursor>): void {
    this.#begun = []
    this.#cursor = cursor
    this.#settled = cursor
    this.#noted = cursor
  }
}
