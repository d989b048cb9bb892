/**
 * Decides whether this process has memory for more, so that it refuses new work before it loses what it has.
 *
 *          65 % full            75 % full
 *   ample ──────────▶  tight  ──────────▶  low
 *         ◀──────────         ◀──────────
 *        less than 55 %      less than 65 %
 *
 * - ample: everything is admitted.
 * - tight: everything is admitted; caches are dropped.
 * - low: nothing new is admitted; existing work continues.
 *
 * Between two collections the heap fills with garbage, so its size says little. The measure is its size after the
 * last collection, which a fall reveals; and its current size minus a tenth of the limit, because V8 collects often
 * near the limit. While memory is low and nothing new arrives, nothing triggers a collection of the garbage of
 * disconnected clients, so the monitor requests one.
 */

import type { Logger } from '../logging/logger.js'
import { unavailable } from '../problems/problem.js'
import type { MemoryReading } from './process-memory.js'

export const MEMORY_STATES = ['ample', 'tight', 'low'] as const
export type MemoryState = (typeof MEMORY_STATES)[number]

/** Shares of the limit at which a state starts, and below which it ends. */
const LOW = { from: 0.75, until: 0.65 } as const
const TIGHT = { from: 0.65, until: 0.55 } as const
/** The share of the limit that may be garbage. */
const GARBAGE = 0.1
/** A share of the limit. A heap that shrinks by more has been collected. */
const COLLECTED = 0.01
/** Interval at which caches are dropped again while memory is tight. */
const SHED_EVERY_MS = 5_000
/** While memory is low, the monitor spends at most a twentieth of the time on collections: each one pauses everything. */
const COLLECT_EVERY_MS = 5_000
const TIMES_THE_PAUSE = 20
const RETRY_AFTER_S = 5

export interface MemoryMonitorOptions {
  /** The limits and what is used of them. */
  read(): MemoryReading
  /** Collects all garbage, and returns the duration in ms. */
  collect(): number
  /** Drops everything that can be read again. */
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

  /** Share of the nearer limit that is in use, without garbage as far as that can be known. */
  get fullness(): number {
    return this.#fullness
  }

  /** @throws {Problem} 503 `memory-low` while nothing new is admitted. */
  assertRoom(): void {
    if (this.#state === 'low') throw memoryLow()
  }

  /** Call this a few times a second. */
  check(now: number): void {
    this.#measure(now)
    const next = this.#nextState()
    if (next !== this.#state) this.#enter(next, now)
    if (next !== 'ample' && now - this.#shedAt >= SHED_EVERY_MS) this.#shed(now)
    if (next === 'low' && now - this.#collectedAt >= this.#collectEveryMs) this.#collect(now)
  }

  /** The next measurement says how much is left. */
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

/** The refusal while memory is low. */
export function memoryLow() {
  const detail = 'This process is low on memory. Try again; another process may have room.'
  return unavailable('memory-low', detail, RETRY_AFTER_S)
}
