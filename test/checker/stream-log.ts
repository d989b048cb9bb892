/**
 * One stream as the table has it, in a few numbers per event, so that a long log fits into memory; and which of its events a client
 * gets next, in constant time, for each filter that clients have.
 */
import { parseEventId } from '../../src/log/event-id.js'
import type { EntryOf } from './history.js'

/** An id as a place: the position and the check, which is undefined where only the position is known. */
export interface Place {
  readonly position: number
  readonly check: string | undefined
}

/** The filter of a client. */
export type Wanted = Pick<EntryOf<'client'>, 'form' | 'types' | 'granted'>

const NOT_SHOWN = -1

export class StreamLog {
  readonly base: Place
  readonly #types: number[] = []
  readonly #typeNames: string[] = []
  readonly #typeNumbers = new Map<string, number>()
  readonly #checks: string[] = []
  readonly #hashes = new Map<string, number[]>()
  readonly #changed = new Set<number>()
  /** By id: events that a loss has taken from the table. */
  readonly #lost = new Map<string, EntryOf<'row'>>()
  readonly #next = new Map<string, Uint32Array>()

  constructor(
    readonly name: string,
    base: string,
    readonly terminal: readonly string[] | undefined,
  ) {
    this.base = placeOf(base) ?? { position: 0, check: undefined }
  }

  /** The last position. */
  get head(): number {
    return this.base.position + this.#types.length
  }

  /** @returns whether the row has the position after the last one. */
  add(row: EntryOf<'row'>): boolean {
    const place = placeOf(row.id)
    if (row.lost) {
      this.#lost.set(row.id, row)
      return true
    }
    if (place?.position !== this.head + 1) return false
    this.#checks.push(place.check ?? '')
    this.#types.push(this.#numberOf(row.type))
    const index = this.#types.length - 1
    if (row.changed) this.#changed.add(index)
    for (const [form, hash] of Object.entries(row.h)) this.#column(form)[index] = Number.parseInt(hash, 16)
    return true
  }

  /** Whether the table has an event of this id. */
  has({ position, check }: Place): boolean {
    if (position === this.base.position) return (check ?? this.base.check) === this.base.check
    const stored = this.#checks[this.#index(position)]
    return stored !== undefined && (check ?? stored) === stored
  }

  lost(id: string): EntryOf<'row'> | undefined {
    return this.#lost.get(id)
  }

  idAt(position: number): string {
    return `${position}.${this.#checks[this.#index(position)] ?? this.base.check}`
  }

  typeAt(position: number): string {
    return this.#typeNames[this.#types[this.#index(position)] ?? -1] ?? ''
  }

  /** Whether the event has these bytes in a form; an event that was changed later may have had any. */
  isSame(position: number, form: string, hash: string): boolean {
    const index = this.#index(position)
    return this.#changed.has(index) || this.#hashes.get(form)?.[index] === Number.parseInt(hash, 16)
  }

  isChanged(position: number): boolean {
    return this.#changed.has(this.#index(position))
  }

  isVisible(position: number, wanted: Wanted): boolean {
    return this.#nextOf(wanted)[this.#index(position)] === this.#index(position)
  }

  /** The position of the first event after a place that a client with this filter must get; undefined if there is none. */
  nextVisible(after: number, wanted: Wanted): number | undefined {
    const index = this.#nextOf(wanted)[Math.max(0, this.#index(after + 1))]
    return index === undefined || index >= this.#types.length ? undefined : this.base.position + 1 + index
  }

  /** Looks at all events: only for the text of a finding. */
  hasBytes(form: string, hash: string): boolean {
    return this.#hashes.get(form)?.includes(Number.parseInt(hash, 16)) ?? false
  }

  #index(position: number): number {
    return position - this.base.position - 1
  }

  #column(form: string): number[] {
    const column = this.#hashes.get(form) ?? []
    this.#hashes.set(form, column)
    while (column.length < this.#types.length) column.push(NOT_SHOWN)
    return column
  }

  #numberOf(type: string): number {
    const number = this.#typeNumbers.get(type) ?? this.#typeNames.push(type) - 1
    this.#typeNumbers.set(type, number)
    return number
  }

  /** For each index the index of the next event that the filter shows, from the end to the beginning. */
  #nextOf(wanted: Wanted): Uint32Array {
    const key = JSON.stringify([wanted.form, wanted.types, wanted.granted])
    const known = this.#next.get(key)
    if (known) return known
    const shows = this.#typeNames.map(type => matches(type, wanted.types) && matches(type, wanted.granted))
    const hashes = this.#column(wanted.form)
    const count = this.#types.length
    const next = new Uint32Array(count + 1).fill(count)
    for (let index = count - 1; index >= 0; index -= 1) {
      const isShown = shows[this.#types[index] ?? -1] && (hashes[index] ?? NOT_SHOWN) !== NOT_SHOWN
      next[index] = isShown && !this.#changed.has(index) ? index : (next[index + 1] ?? count)
    }
    this.#next.set(key, next)
    return next
  }
}

export function matches(type: string, filter: readonly string[] | undefined): boolean {
  return (
    filter?.some(name => (name.endsWith('*') ? type.startsWith(name.slice(0, -1)) : type === name)) ?? true
  )
}

/** Undefined for a text that is no event id. */
export function placeOf(id: string): Place | undefined {
  return parseEventId(id)
}
