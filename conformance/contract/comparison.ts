/**
 * Compares what a client was seen to do with what a case expects. Events, resets and the end always count, each in its place; every
 * other kind of observation counts only in a case that expects one of this kind.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Observation } from './adapter.js'
import type { Expectation } from './case.js'

const ALWAYS = ['event', 'reset', 'ended']
/** Texts are cut in messages: some cases have events of megabytes. */
const SHOWN = 200
const SHOWN_OBSERVATIONS = 5

/**
 * States: `waiting` while everything is right and more must come; `complete` when everything has come; `wrong` for good after the
 * first difference.
 */
export class Comparison {
  /** The first difference, once there is one. */
  difference: string | undefined
  readonly #counted: ReadonlySet<string>
  readonly #last: Observation[] = []
  #at = 0
  /** How often the expectation whose turn it is has been met. */
  #met = 0
  /** The delays that have met it. */
  readonly #delays = new Set<unknown>()

  constructor(private readonly expectations: readonly Expectation[]) {
    this.#counted = new Set([...ALWAYS, ...expectations.flatMap(kindsOf)])
  }

  get state(): 'waiting' | 'complete' | 'wrong' {
    if (this.difference !== undefined) return 'wrong'
    const left = this.expectations.slice(this.#at)
    const isMet = left.length === 0 || (left.length === 1 && left[0]?.times === 'any' && this.#met > 0)
    return isMet ? 'complete' : 'waiting'
  }

  take(observation: Observation): void {
    if (this.#last.push(observation) > SHOWN_OBSERVATIONS) this.#last.shift()
    if (!this.#counted.has(observation.saw) || this.difference !== undefined) return
    const expectation = this.expectations[this.#at]
    if (!expectation) this.difference = `then saw ${show(observation)}, which is one too many`
    else if (fits(expectation, observation)) this.#meet(expectation, observation)
    else if (expectation.times === 'any' && this.#met > 0) {
      this.#next()
      this.take(observation)
    } else this.difference = `expected ${show(bare(expectation))}, saw ${show(observation)}`
  }

  /** The fact that is still expected, for a message. */
  missing(): string {
    const expectation = this.expectations[this.#at]
    const met = this.#met > 0 ? `, after ${this.#met} of ${expectation?.times}` : ''
    const last = this.#last.map(show).join(', ') || 'nothing'
    return `waits for ${expectation ? show(bare(expectation)) : 'nothing'}${met}; saw ${last}`
  }

  #meet({ times = 1, retrying }: Expectation, { delay_ms }: Observation): void {
    this.#met += 1
    this.#delays.add(delay_ms)
    if (this.#met !== times) return
    if (retrying?.differ && this.#delays.size === 1)
      this.difference = `expected delays that differ, saw ${times} of ${delay_ms} ms`
    this.#next()
  }

  #next(): void {
    this.#at += 1
    this.#met = 0
    this.#delays.clear()
  }
}

function bare({ times: _, ...expectation }: Expectation) {
  return expectation
}

/** The kinds of observations that it expects: one, or two that both say that an attempt has failed. */
function kindsOf(expectation: Expectation): string[] {
  return 'failed' in expectation ? ['retrying', 'ended'] : Object.keys(bare(expectation))
}

function fits(expectation: Expectation, { saw, ...seen }: Observation): boolean {
  if (!kindsOf(expectation).includes(saw)) return false
  const [expected] = Object.values(bare(expectation))
  if (expected === true) return true
  // `stored: "5"`, `comment: text`, `state: mode`: the only member of the observation.
  if (typeof expected !== 'object') return Object.values(seen).includes(expected)
  return Object.entries(expected).every(([name, value]) => {
    if (name === 'least_ms') return Number(seen.delay_ms) >= Number(value)
    if (name === 'most_ms') return Number(seen.delay_ms) <= Number(value)
    if (name === 'differ') return true
    if (name === 'detail') return String(seen.detail).includes(String(value))
    return isDeepStrictEqual(seen[name], dataOf(value))
  })
}

/** Data of megabytes is written as `{ repeat: text, count: n, then: text }`. */
function dataOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('repeat' in value) || !('count' in value)) return value
  return String(value.repeat).repeat(Number(value.count)) + ('then' in value ? String(value.then) : '')
}

function show(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text
}
