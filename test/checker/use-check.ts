/** What the processes used: never more than a bound, and at the end about as much as before the load. */
import type { EntryOf } from './history.js'
import type { Verdict } from './verdict.js'

export class UseCheck {
  readonly #verdict: Verdict
  readonly #bounds: EntryOf<'bound'>[] = []
  readonly #base = new Map<string, number>()
  readonly #end = new Map<string, number>()

  constructor(verdict: Verdict) {
    this.#verdict = verdict
  }

  bound(entry: EntryOf<'bound'>): void {
    this.#bounds.push(entry)
  }

  /** All bounds must be known by then. */
  sample({ process, phase, measures, t }: EntryOf<'sample'>): void {
    this.#verdict.looked('samples')
    for (const { measure, most } of this.#bounds) {
      const value = measures[measure]
      if (value !== undefined && most !== undefined && value > most)
        this.#verdict.found(
          'bound',
          () => `${process} had ${value} ${measure} at ${t}, and ${most} at most are allowed`,
        )
    }
    const kept = phase === 'base' ? this.#base : phase === 'end' ? this.#end : undefined
    for (const [measure, value] of Object.entries(measures)) kept?.set(`${process} ${measure}`, value)
  }

  finish(): void {
    for (const { measure, growth } of this.#bounds) {
      if (growth === undefined) continue
      for (const [key, end] of this.#end) {
        const base = this.#base.get(key)
        if (key.endsWith(` ${measure}`) && base !== undefined && end > base + growth)
          this.#verdict.found('bound', () => `${key} grew from ${base} to ${end}, by more than ${growth}`)
      }
    }
  }
}
