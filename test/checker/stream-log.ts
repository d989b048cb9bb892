/**
 * One stream as the table has it, in a few numbers per event, so that a long log fits into memory; and which of its events a client
 * gets next, in constant time, for each filter that clients have.
 */
import { parseEventId } from '../../src/log/event-id.js'
import type { EntryOf } from './history.js'
import { LostTails } from './lost-tails.js'
import { knownPlace } from './place.js'

/** An id as a place: the position and the check, which is undefined where only the position is known. */
export interface Place {
  readonly position: number
  readonly check: string | undefined
}

/** The filter of a client. */
export type Wanted = Pick<EntryOf<'client'>, 'form' | 'types' | 'granted'>

const NOT_SHOWN = -1
/** After it, no process has the data that a redaction erased. */
const REDACTION_MS = 5_000

/** Places are counted from the first row that is known: retention may have removed it since, when it was recorded before. */
export class StreamLog {
  readonly name: string
  /** The place before the first row that is left in the table. */
  base: Place = { position: 0, check: undefined }
  terminal: readonly string[] | undefined
  /** The place before the first row that is known. */
  #first: Place | undefined
  readonly #types: number[] = []
  readonly #typeNames: string[] = []
  readonly #typeNumbers = new Map<string, number>()
  readonly #checks: string[] = []
  readonly #hashes = new Map<string, number[]>()
  /** By index: compacted ones, which need not be delivered; and when others were redacted. */
  readonly #compacted = new Set<number>()
  readonly #redacted = new Map<number, number>()
  readonly lost = new LostTails()
  readonly #next = new Map<string, Uint32Array>()

  constructor(name: string) {
    this.name = name
  }

  /** Tells the place at which the table begins. Removed rows may come before, the others come after. */
  begin({ base, terminal }: EntryOf<'log'>): void {
    this.base = knownPlace(base)
    this.terminal = terminal
    // Between what was recorded before retention and what is left, rows are missing: nothing is known of the older ones.
    if (this.base.position > this.head) this.#forget()
    this.#first ??= this.base
  }

  /** The last position. */
  get head(): number {
    return this.first.position + this.#types.length
  }

  get first(): Place {
    return this.#first ?? this.base
  }

  /** @returns whether the row has the position after the last one. */
  add(row: EntryOf<'row'>): boolean {
    const place = knownPlace(row.id)
    if (row.lost) {
      this.lost.add(row)
      return true
    }
    this.#first ??= { position: place.position - 1, check: placeOf(row.after ?? '')?.check }
    // Recorded before retention, which left it.
    if (place.position <= this.head) return place.position > this.first.position && this.has(place)
    if (row.removed && place.position > this.head + 1)
      this.#forget({ position: place.position - 1, check: undefined })
    if (place.position !== this.head + 1) return false
    this.#checks.push(place.check ?? '')
    this.#types.push(this.#numberOf(row.type))
    const index = this.#types.length - 1
    if (row.changed) this.#compacted.add(index)
    if (row.redacted !== undefined) this.#redacted.set(index, row.redacted)
    for (const [form, hash] of Object.entries(row.h)) this.#column(form)[index] = Number.parseInt(hash, 16)
    return true
  }

  /** Whether the table has, or had until retention, an event of this id. */
  has({ position, check }: Place): boolean {
    const { first } = this
    if (position === first.position) return (check ?? first.check) === (first.check ?? check)
    const stored = this.#checks[this.#index(position)]
    return stored !== undefined && (check ?? stored) === stored
  }

  /** Whether it is before all rows that are known, so that nobody knows what was there. */
  isOlder(place: Place): boolean {
    return place.position < this.first.position || (place.position === this.first.position && this.has(place))
  }

  idAt(position: number): string {
    return `${position}.${this.#checks[this.#index(position)] ?? this.first.check}`
  }

  /** The id of the stored event at a position, if it has these bytes. */
  idWith(position: number, form: string, hash: string): string | undefined {
    const isSame = this.#hashes.get(form)?.[this.#index(position)] === Number.parseInt(hash, 16)
    return isSame ? this.idAt(position) : undefined
  }

  typeAt(position: number): string {
    return this.#typeNames[this.#types[this.#index(position)] ?? -1] ?? ''
  }

  /** Whether the event has these bytes in a form; one that was compacted may have had any, and one that was redacted until then. */
  isSame(position: number, form: string, hash: string, t: number): boolean {
    const index = this.#index(position)
    if (this.#compacted.has(index) || this.#hashes.get(form)?.[index] === Number.parseInt(hash, 16))
      return true
    return t <= (this.#redacted.get(index) ?? Number.NEGATIVE_INFINITY) + REDACTION_MS
  }

  /** Whether readers need not get the event: a newer one has superseded it. */
  isCompacted(position: number): boolean {
    return this.#compacted.has(this.#index(position))
  }

  /** The position of the first event after a place that a client with this filter must get; undefined if there is none. */
  nextVisible(after: number, wanted: Wanted): number | undefined {
    const index = this.#nextOf(wanted)[Math.max(0, this.#index(after + 1))]
    return index === undefined || index >= this.#types.length ? undefined : this.first.position + 1 + index
  }

  /** Looks at all events: only for the text of a finding. */
  hasBytes(form: string, hash: string): boolean {
    return this.#hashes.get(form)?.includes(Number.parseInt(hash, 16)) ?? false
  }

  #index(position: number): number {
    return position - this.first.position - 1
  }

  #forget(first?: Place): void {
    this.#first = first
    for (const column of [this.#types, this.#checks, ...this.#hashes.values()]) column.length = 0
    this.#compacted.clear()
    this.#redacted.clear()
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
      next[index] = isShown && !this.#compacted.has(index) ? index : (next[index + 1] ?? count)
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
