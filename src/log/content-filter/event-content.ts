/**
 * The values of one event that filters have asked for. Each filter's paths are found in one scan of the data, and filters with the
 * same path share its value. So a thousand filters on one path cost one scan.
 */
import type { StoredEvent } from '../event.js'
import { findValues } from './json-scan.js'
import { type Path, type PathTree, TYPE } from './path.js'
import { MISSING, stringValue, type Value } from './value.js'

/** Enough for the filters of a stream in practice; with more distinct paths, the data is scanned again. */
const MAX_VALUES = 64

export type FilteredEvent = Pick<StoredEvent, 'type' | 'data'>

/** The paths of one filter. */
export interface Paths {
  readonly all: readonly Path[]
  readonly tree: PathTree
}

export class EventContent {
  readonly #event: FilteredEvent
  readonly #values = new Map<string, Value>()

  constructor(event: FilteredEvent) {
    this.#event = event
  }

  /** Finds the values of the paths, unless it knows all of them. */
  find({ all, tree }: Paths): void {
    if (all.every(({ key }) => this.#values.has(key))) return
    if (this.#values.size + all.length > MAX_VALUES) this.#values.clear()
    const found = findValues(this.#event.data, tree, all.length)
    for (const [number, { key }] of all.entries()) this.#values.set(key, found[number] ?? MISSING)
    this.#values.set(TYPE.key, stringValue(this.#event.type))
  }

  /** The value of a path that was found. */
  readonly lookUp = ({ key }: Path): Value => this.#values.get(key) ?? MISSING
}
