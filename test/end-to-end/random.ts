/** Chance that can be repeated, in the forms that this test wants it. */
import { randomFrom } from '../harness/random.js'

export class Random {
  readonly #source: ReturnType<typeof randomFrom>

  constructor(seed: number) {
    this.#source = randomFrom(seed)
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.#source.integer(most - least + 1)
  }

  chance(probability: number): boolean {
    return this.between(1, 1_000) <= probability * 1_000
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.between(0, list.length - 1)]
    if (picked === undefined) throw new RangeError('There is nothing to pick from.')
    return picked
  }

  /** A source of its own for a part of the test, whose choices do not depend on when the others make theirs. */
  fork(): Random {
    return new Random(this.between(0, 0x7fffffff))
  }
}
