/**
 * Where a lane stands: the cursor up to which everything is settled, and the deliveries after it in the order of the log. In a
 * parallel lane they end in any order; the cursor moves when the first of them is settled.
 *
 * Invariant: the cursor is before every event that was begun and is not settled, also while it is to be begun again.
 */
import { type Cursor, isAt } from '../../hub/cursor.js'
import type { LaneChange } from './lane-host.js'

interface Begun {
  readonly cursor: Required<Cursor>
  readonly at: number
  state: 'under-way' | 'put-back' | 'settled'
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

  /** Whether something after the cursor was begun. */
  get isOpen(): boolean {
    return this.#begun.length > 0
  }

  /** Whether the cursor has moved since it was noted. */
  get hasMoved(): boolean {
    return this.#cursor.position > this.#noted.position
  }

  /** The note to store: the place up to which deliveries are settled, and the place up to which the events after it need none. */
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

  /** @param at the time of the event, in milliseconds since 1970. */
  begin(cursor: Required<Cursor>, at: number): void {
    // An earlier one that was put back and did not come again is lost, or is not wanted any more.
    this.#begun = this.#begun.filter(begun => !isPutBack(begun) || begun.cursor.position > cursor.position)
    const next = this.#begun.findIndex(begun => begun.cursor.position >= cursor.position)
    this.#begun.splice(next < 0 ? this.#begun.length : next, 0, { cursor, at, state: 'under-way' })
  }

  /** The delivery was not sent, and is begun again. */
  putBack(position: number): void {
    const begun = this.#underWay(position)
    if (begun) begun.state = 'put-back'
  }

  /** Removes a delivery whose event the log has lost. */
  withdraw(position: number): void {
    this.#begun = this.#begun.filter(({ cursor }) => cursor.position !== position)
  }

  settle(position: number): void {
    const begun = this.#underWay(position)
    if (begun) begun.state = 'settled'
    this.#advance()
  }

  /**
   * Moves over events that need no delivery, if nothing before them is under way. Deliveries that were put back and
   * have not come again are dropped.
   */
  pass(cursor: Required<Cursor>): void {
    this.#begun = this.#begun.filter(begun => !isPutBack(begun))
    this.#advance()
    if (!this.isOpen && cursor.position > this.#cursor.position) this.#cursor = cursor
  }

  /**
   * The log has lost a place. It may still have the last one that the receiver may know, if no event after that needs a delivery.
   * @returns the place to continue after; undefined if it is the lost one.
   */
  goBack(lost: Required<Cursor>): Required<Cursor> | undefined {
    const known = this.#begun.filter(begun => !isPutBack(begun)).at(-1)?.cursor ?? this.#settled
    if (isAt(lost, known)) return undefined
    const isBefore = this.#begun.some(begun => isPutBack(begun) && begun.cursor.position < known.position)
    if (!this.isOpen) this.#cursor = this.#settled
    this.#noted = this.#cursor
    return isBefore ? this.#cursor : known
  }

  /** Continues at another place: deliveries under way no longer move the cursor. */
  restart(cursor: Required<Cursor>): void {
    this.#begun = []
    this.#cursor = cursor
    this.#settled = cursor
    this.#noted = cursor
  }

  #underWay(position: number): Begun | undefined {
    return this.#begun.find(({ cursor, state }) => cursor.position === position && state === 'under-way')
  }

  #advance(): void {
    const open = this.#begun.findIndex(({ state }) => state !== 'settled')
    const last = this.#begun.splice(0, open < 0 ? this.#begun.length : open).at(-1)
    if (!last) return
    this.#settled = last.cursor
    this.#cursor = last.cursor
  }
}

function isPutBack({ state }: Begun): boolean {
  return state === 'put-back'
}
