/**
 * Whether this process has memory for more, so that it can refuse what is new before it loses what it has.
 *
 *          65 % full            75 % full
 *   ample ──────────▶  tight  ──────────▶  low
 *         ◀──────────         ◀──────────
 *        less than 55 %      less than 65 %
 *
 * ample: everything is let in.
 * tight: everything is let in; what is kept only to save reading it again is let go.
 * low: nothing new is let in. What is there goes on.
 *
 * Between two collections the heap fills with garbage, and its use says little. What it was after the last one counts,
 * seen by its fall; and what it is now but for a tenth of the limit, since V8 collects often when it comes near.
 * When it is low and the garbage of those who have left lies about, because nothing new comes and nothing has to be collected,
 * a collection is asked for.
 */

import type { Logger } from '../logging/logger.js'
import { unavailable } from '../problems/problem.js'
import type { MemoryReading } from './process-memory.js'

export const MEMORY_STATES = ['ample', 'tight', 'low'] as const
export type MemoryState = (typeof MEMORY_STATES)[number]

/** Shares of the limit at which a state begins, and under which it ends. */
const LOW = { from: 0.75, until: 0.65 } as const
const TIGHT = { from: 0.65, until: 0.55 } as const
/** Of the limit, what may be garbage. */
const GARBAGE = 0.1
/** Of the limit. A heap that shrinks by more has been collected. */
const COLLECTED = 0.01
/** Caches that fill again while it is tight are emptied again. */
const SHED_EVERY_MS = 5_000
/** While it is low, and as often as costs a twentieth of the time at most: each is a pause for everybody. */
const COLLECT_EVERY_MS = 5_000
const TIMES_THE_PAUSE = 20
const RETRY_AFTER_S = 5

export interface MemoryMonitorOptions {
  /** The limits and what is used of them. */
  read(): MemoryReading
  /** Collects garbage, all of it, and tells how many ms that took. */
  collect(): number
  /** Lets go of what can be read again. */
  shed(): void
  readonly logger: Logger
}

export class MemoryMonitor {
  readonly #options: MemoryMonitorOptions
  #state: MemoryState = 'ample'
  #fullness = 0
  #heap = 0
  #heapWhenCollected = 0
  #collectedAt = 0
  #collectEveryMs = COLLECT_EVERY_MS
  #shedAt = 0

  constructor(options: MemoryMonitorOptions) {
    this.#options = options
  }

  get state(): MemoryState {
    return this.#state
  }

  /** Share of the nearer limit that is in use, garbage left out as well as it can be told. */
  get fullness(): number {
    return this.#fullness
  }

  /** @throws {Problem} 503 `memory-low` while nothing new is let in. */
  assertRoom(): void {
    if (this.#state === 'low') throw memoryLow()
  }

  /** To be called a few times a second. */
  check(now: number): void {
    this.#measure(now)
    const next = this.#nextState()
    if (next !== this.#state) this.#enter(next, now)
    if (next !== 'ample' && now - this.#shedAt >= SHED_EVERY_MS) this.#shed(now)
    if (next === 'low' && now - this.#collectedAt >= this.#collectEveryMs) this.#collect(now)
  }

  /** The next measure says what is left. */
  #collect(now: number): void {
    const pauseMs = this.#options.collect()
    this.#collectEveryMs = Math.max(COLLECT_EVERY_MS, TIMES_THE_PAUSE * pauseMs)
    this.#collectedAt = now
    this.#heapWhenCollected = Number.POSITIVE_INFINITY
  }

  #measure(now: number): void {
    const { heap, resident } = this.#options.read()
    if (heap < this.#heap - COLLECTED) {
      this.#heapWhenCollected = heap
      this.#collectedAt = now
    }
    this.#heap = heap
    this.#heapWhenCollected = Math.min(this.#heapWhenCollected, heap)
    this.#fullness = Math.max(this.#heapWhenCollected, heap - GARBAGE, resident)
  }

  #nextState(): MemoryState {
    const is = (level: { from: number; until: number }, already: boolean) =>
      this.#fullness >= (already ? level.until : level.from)
    if (is(LOW, this.#state === 'low')) return 'low'
    return is(TIGHT, this.#state !== 'ample') ? 'tight' : 'ample'
  }

  #enter(state: MemoryState, now: number): void {
    const { logger } = this.#options
    const figures = { percent: Math.round(this.#fullness * 100) }
    if (state === 'low') logger.warn(figures, 'Memory is low: new streams and bodies are refused.')
    else if (this.#state === 'low') logger.info(figures, 'Memory is no longer low.')
    if (state !== 'ample' && this.#state !== 'low') this.#shed(now)
    this.#state = state
  }

  #shed(now: number): void {
    this.#shedAt = now
    this.#options.shed()
  }
}

/** What whoever cannot be let in is told. */
export function memoryLow() {
  const detail = 'This process has no memory left for it. Try again; another one may have.'
  return unavailable('memory-low', detail, RETRY_AFTER_S)
}
