/**
 * Breaks a world, by a seed: in each round one fault or two at once, which last for a while and end; then it waits until everything
 * works again. Every fault of the plan has its turn before any has a second one, as the cards of a deck.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../end-to-end/random.js'
import { patient } from '../harness/patience.js'
import type { End, Fault, Scene } from './fault.js'
import type { Sentinel } from './sentinel.js'

/** Nothing of Sluice takes as long as that to notice that all is well again. */
const RECOVERY_PATIENCE_MS = 60_000
const AT_ONCE = 0.5
const APART_MS = 800
const CALM_MS = 300

export interface Injection {
  readonly fault: string
  /** What was injected in the same round. */
  readonly beside: string | undefined
  /** Milliseconds from the end of the last fault of the round until everything worked. */
  readonly recoveryMs: number
}

/** Each fault as it begins, as it ends, and when the world has recovered from it. */
export interface Chronicle {
  began(fault: Fault): void
  ended(fault: Fault): void
  recovered(fault: Fault): void
}

export interface NemesisOptions {
  readonly plan: readonly Fault[]
  readonly random: Random
  readonly sentinel: Sentinel
  readonly chronicle: Chronicle
  /** All of a scene but how long the fault lasts. */
  readonly scene: Omit<Scene, 'ms'>
  /** Whether a fault lasts as briefly as it may. */
  readonly isBrief: boolean
}

export class Nemesis {
  readonly injections: Injection[] = []
  /** What could not be injected, or not ended. The run goes on, if the world recovers. */
  readonly failures: string[] = []
  readonly #options: NemesisOptions
  #deck: Fault[] = []
  /** Of the plan, what has not had its turn. */
  #left: number

  constructor(options: NemesisOptions) {
    this.#options = options
    this.#left = options.plan.length
  }

  /**
   * Resolves when it is enough and the whole plan has had its turn, and everything works.
   * @throws {Error} when the world does not recover.
   */
  async rage(isEnough: () => boolean): Promise<void> {
    const { random } = this.#options
    while (!isEnough() || this.#left > 0) {
      const first = this.#draw(() => true)
      const second = first && random.chance(AT_ONCE) ? this.#draw(fault => areApart(fault, first)) : undefined
      if (first) await this.#round(second ? [first, second] : [first])
    }
  }

  #draw(fits: (fault: Fault) => boolean): Fault | undefined {
    if (this.#deck.length === 0) this.#deck = shuffled(this.#options.plan, this.#options.random)
    const at = this.#deck.findIndex(fits)
    if (at < 0) return undefined
    this.#left -= 1
    return this.#deck.splice(at, 1)[0]
  }

  async #round(faults: readonly Fault[]): Promise<void> {
    const { random, sentinel } = this.#options
    const delays = faults.map((_, n) => (n === 0 ? 0 : random.between(0, APART_MS)))
    const injecting = await Promise.allSettled(faults.map((fault, n) => this.#inject(fault, delays[n] ?? 0)))
    // Only now: the other one has ended too.
    for (const each of injecting) if (each.status === 'rejected') this.failures.push(each.reason.message)
    const names = faults.map(({ name }) => name)
    const recoveryMs = await sentinel.recovery(patient(RECOVERY_PATIENCE_MS)).catch(error => {
      throw new Error(`After ${names.join(' and ')}: ${error.message}`, { cause: error })
    })
    for (const fault of names)
      this.injections.push({ fault, beside: names.find(name => name !== fault), recoveryMs })
    for (const fault of faults) this.#options.chronicle.recovered(fault)
    await pause(random.between(0, CALM_MS))
  }

  async #inject(fault: Fault, delayMs: number): Promise<void> {
    const { random, chronicle, scene, isBrief } = this.#options
    const [least, most] = fault.lasts
    const ms = isBrief ? least : random.between(least, most)
    // A part of the run of its own, so that what is drawn does not depend on which fault is faster.
    const own = random.fork()
    await pause(delayMs)
    chronicle.began(fault)
    const end: End = await fault.inject({ ...scene, random: own, ms }).catch(error => {
      throw new Error(`${fault.name} could not be injected: ${error.message}`, { cause: error })
    })
    await pause(ms)
    await end()
    chronicle.ended(fault)
  }
}

function areApart(one: Fault, other: Fault): boolean {
  return !one.parts.some(part => other.parts.includes(part))
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const left = [...list]
  return list
    .map(() => left.splice(random.between(0, left.length - 1), 1)[0])
    .filter(each => each !== undefined)
}
