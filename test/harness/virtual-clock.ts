/**
 * Time that passes only when a test says so: timers, turns of the event loop, `Date.now()`, `performance.now()` and `Math.random()` of this
 * process, also for modules that were loaded before. So a minute takes no time, and the same steps lead to the same order each time.
 * Only promises and `process.nextTick` stay real; the clock lets them finish after each timer and each turn.
 */
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'
import { type Random, randomFrom } from './random.js'

/** So many turns without an end are a loop. */
const MOST_TURNS = 20_000
const START = Date.UTC(2026, 0, 1)

interface Timer {
  readonly at: number
  readonly order: number
  readonly act: () => void
  ref(): unknown
  unref(): unknown
}

export class VirtualClock {
  #now = 0
  #order = 0
  /** What reading the clock costs, in ms: with more than 0, work takes time. */
  costPerLook = 0
  #timers: Timer[] = []
  #immediates: (() => void)[] = []
  readonly #random: Random

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  /** Milliseconds since the clock was made. */
  get now(): number {
    return this.#now
  }

  /** Time is this clock's from now on. What replaces the real one stays in place when it goes, because placing it costs as much as a run. */
  install(): void {
    if (!arePlaced) place()
    arePlaced = true
    current = this
  }

  /** The real clock is back. What still waits never continues. */
  uninstall(): void {
    current = undefined
    this.#timers = []
    this.#immediates = []
  }

  /** Milliseconds since the clock was made, for the code that runs on it: looking may take time. */
  look(): number {
    this.#now += this.costPerLook
    return this.#now
  }

  random(): number {
    return this.#random.integer(1_000_000) / 1_000_000
  }

  after(ms: number, act: () => void): Timer {
    this.#order += 1
    const timer: Timer = {
      at: this.#now + Math.max(1, ms),
      order: this.#order,
      act,
      ref: () => timer,
      unref: () => timer,
    }
    this.#timers.push(timer)
    return timer
  }

  cancel(timer: unknown): void {
    const at = this.#timers.indexOf(timer as Timer)
    if (at >= 0) this.#timers.splice(at, 1)
  }

  /** In the next turn of the event loop. */
  soon(act: () => void): void {
    this.#immediates.push(act)
  }

  /** Everything that is due in this turn of the event loop, and the promises that it resolves. */
  async turn(): Promise<void> {
    await promises()
    const due = this.#immediates
    this.#immediates = []
    for (const act of due) {
      act()
      await promises()
    }
  }

  /** Turns until nothing is due without time passing. */
  async settle(): Promise<void> {
    await promises()
    for (let turns = 0; this.#immediates.length > 0; turns += 1) {
      if (turns > MOST_TURNS) throw new Error('The event loop never comes to rest.')
      await this.turn()
    }
  }

  /** Lets the time pass, with everything that is due meanwhile. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.cancel(next)
      this.#now = Math.max(this.#now, next.at)
      next.act()
      await this.settle()
    }
    this.#now = Math.max(this.#now, end)
  }

  #next(end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (
        timer.at <= end &&
        (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
      )
        next = timer
    }
    return next
  }
}

/** Made once: each has the stack of its making. */
const TIMED_OUT = new DOMException('The operation was aborted due to timeout', 'TimeoutError')

let current: VirtualClock | undefined
let arePlaced = false

/** Puts functions in the places of those of Node: they ask the clock that is installed, or Node's own. */
function place(): void {
  const { setTimeout, clearTimeout, setImmediate, clearImmediate } = globalThis
  const { setTimeout: pause, setImmediate: turn } = timersPromises
  const { now } = Date
  const { random } = Math
  const { timeout } = AbortSignal
  const precisely = performance.now.bind(performance)
  Object.assign(globalThis, {
    setTimeout: (act: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      current ? current.after(ms, () => act(...args)) : setTimeout(act, ms, ...args),
    clearTimeout: (timer: NodeJS.Timeout | undefined) =>
      current ? current.cancel(timer) : clearTimeout(timer),
    setImmediate: (act: (...args: unknown[]) => void, ...args: unknown[]) =>
      current ? current.soon(() => act(...args)) : setImmediate(act, ...args),
    clearImmediate: (immediate: NodeJS.Immediate | undefined) => {
      if (!current) clearImmediate(immediate)
    },
  })
  Object.assign(timersPromises, {
    setTimeout: (ms: number, value: unknown, options: { signal?: AbortSignal } = {}) =>
      current ? paused(current, ms, value, options.signal) : pause(ms, value, options),
    setImmediate: (value: unknown) =>
      current ? new Promise(resolve => current?.soon(() => resolve(value))) : turn(value),
  })
  Object.assign(AbortSignal, { timeout: (ms: number) => (current ? ending(current, ms) : timeout(ms)) })
  Object.assign(Date, { now: () => (current ? START + current.look() : now()) })
  Object.assign(Math, { random: () => (current ? current.random() : random()) })
  Object.assign(performance, { now: () => (current ? current.look() : precisely()) })
  syncBuiltinESMExports()
}

function paused(clock: VirtualClock, ms: number, value: unknown, signal: AbortSignal | undefined) {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => resolve(value))
    const abort = () => {
      clock.cancel(timer)
      reject(signal?.reason)
    }
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}

function ending(clock: VirtualClock, ms: number): AbortSignal {
  const over = new AbortController()
  clock.after(ms, () => over.abort(TIMED_OUT))
  return over.signal
}

/** Resolves when no promise and no tick waits any longer: ticks run after promises, and may resolve some. */
async function promises(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise<void>(resolve => process.nextTick(resolve))
}
