/**
 * Events that a failover or a restore has taken from the table: they were delivered rightly while they existed. Each knows the event
 * before it, so that a client can only come to one along the history that was lost.
 */
import type { EntryOf } from './history.js'
import { positionOf } from './place.js'

type Row = EntryOf<'row'>

export class LostTails {
  readonly #rows = new Map<string, Row>()
  /** Several tails may have had events at one position. */
  readonly #byPosition = new Map<number, Row[]>()
  readonly #before = new Set<string>()

  add(row: Row): void {
    const position = positionOf(row.id)
    if (row.after !== undefined && positionOf(row.after) >= position)
      throw new Error(`${row.after} cannot stand before ${row.id}.`)
    this.#rows.set(row.id, row)
    if (row.after !== undefined) this.#before.add(row.after)
    this.#byPosition.set(position, [...(this.#byPosition.get(position) ?? []), row])
  }

  /** The id of the lost event at a position that has these bytes in a form. */
  idWith(position: number, form: string, hash: string): string | undefined {
    return this.#byPosition.get(position)?.find(row => row.h[form] === hash)?.id
  }

  hasPosition(position: number): boolean {
    return this.#byPosition.has(position)
  }

  /** Whether it is the place before a lost event: that of a stream which is lost as a whole is in no table. */
  isBefore(id: string): boolean {
    return this.#before.has(id)
  }

  get(id: string): Row | undefined {
    return this.#rows.get(id)
  }

  /**
   * The way back from a lost event to a place: the lost events between them, from the later to the earlier one, without both ends.
   *
   * @returns where the way ends: at `to`, at an event that is not lost, or at undefined if nobody knows
   */
  *wayBack(from: string, to: string): Generator<Row, string | undefined> {
    let id = this.#rows.get(from)?.after
    // It ends: each id is at a lower position than the one before.
    while (id !== to) {
      const row = this.#rows.get(id ?? '')
      if (!row) return id
      yield row
      id = row.after
    }
    return id
  }
}
