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
}

export class VirtualClock {
  #now = 0
  #order = 0
  /** What reading the clock costs, in ms: with more than 0, work takes time. */
  costPerLook = 0
  #timers: Timer[] = []
  #immediates: (() => void)[] = []
  readonly #random: Random
  #putBack: () => void = () => {}

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  /** Milliseconds since the clock was made. */
  get now(): number {
    return this.#now
  }

  install(): void {
    const { setTimeout, clearTimeout, setImmediate, clearImmediate } = globalThis
    const { setTimeout: pause, setImmediate: turn } = timersPromises
    const { now } = Date
    const { random } = Math
    const { timeout } = AbortSignal
    this.#putBack = () => {
      Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate, clearImmediate })
      Object.assign(timersPromises, { setTimeout: pause, setImmediate: turn })
      Object.assign(Date, { now })
      Object.assign(Math, { random })
      Object.assign(AbortSignal, { timeout })
      Reflect.deleteProperty(performance, 'now')
      syncBuiltinESMExports()
    }
    const cancel = (timer: Timer | undefined) => {
      this.#timers = this.#timers.filter(each => each !== timer)
    }
    Object.assign(globalThis, {
      setTimeout: (act: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        this.#after(ms, () => act(...args)),
      clearTimeout: cancel,
      setImmediate: (act: (...args: unknown[]) => void, ...args: unknown[]) =>
        this.#immediates.push(() => act(...args)),
      clearImmediate: () => {},
    })
    Object.assign(timersPromises, {
      setTimeout: (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
        new Promise((resolve, reject) => {
          const timer = this.#after(ms, () => resolve(value))
          const abort = () => {
            cancel(timer)
            reject(signal?.reason)
          }
          if (signal?.aborted) abort()
          else signal?.addEventListener('abort', abort, { once: true })
        }),
      setImmediate: (value: unknown) => new Promise(resolve => this.#immediates.push(() => resolve(value))),
    })
    Object.assign(AbortSignal, {
      timeout: (ms: number) => {
        const over = new AbortController()
        this.#after(ms, () => over.abort())
        return over.signal
      },
    })
    Object.assign(Date, { now: () => START + this.#look() })
    Object.assign(Math, { random: () => this.#random.integer(1_000_000) / 1_000_000 })
    Object.assign(performance, { now: () => this.#look() })
    syncBuiltinESMExports()
  }

  /** The real clock is back. What still waits never continues. */
  uninstall(): void {
    this.#putBack()
    this.#timers = []
    this.#immediates = []
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
      this.#timers = this.#timers.filter(each => each !== next)
      this.#now = Math.max(this.#now, next.at)
      next.act()
      await this.settle()
    }
    this.#now = Math.max(this.#now, end)
  }

  #look(): number {
    this.#now += this.costPerLook
    return this.#now
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

  #after(ms: number, act: () => void): Timer & { ref(): unknown; unref(): unknown } {
    this.#order += 1
    const timer = {
      at: this.#now + Math.max(1, ms),
      order: this.#order,
      act,
      ref: () => timer,
      unref: () => timer,
    }
    this.#timers.push(timer)
    return timer
  }
}

/** Resolves when no promise and no tick waits any longer: ticks run after promises, and may resolve some. */
async function promises(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise<void>(resolve => process.nextTick(resolve))
}
