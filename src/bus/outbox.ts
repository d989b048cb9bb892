/**
 * The wakes and events that wait to be sent to other processes. It is bounded: the streams of events that do not fit are woken
 * instead, and too many streams become a wake of all.
 */
import type { Committed } from '../log/committed.js'
import { charactersIn, type StreamId } from '../log/event.js'
import type { Wake } from './bus.js'

const MAX_STREAMS = 10_000
const MAX_CHARACTERS = 4 * 1024 * 1024

export interface Waiting {
  readonly wake: Wake
  readonly committed: readonly Committed[]
  /** Since when the oldest part has waited, in ms since 1970 by this process's clock. */
  readonly since: number
}

export class Outbox {
  #woken = new Set<StreamId>()
  #wakesAll = false
  #committed: Committed[] = []
  #characters = 0
  #since: number | undefined

  get isEmpty(): boolean {
    return this.#since === undefined
  }

  wake(wake: Wake): void {
    if (wake !== 'all') for (const stream of wake) this.#woken.add(stream)
    if (wake === 'all' || this.#woken.size > MAX_STREAMS) this.#wakesAll = true
    if (this.#wakesAll) this.#woken.clear()
    if (wake.length > 0) this.#since ??= Date.now()
  }

  carry(committed: readonly Committed[]): void {
    for (const each of committed) {
      const characters = charactersIn(each.events)
      const fits = this.#committed.length < MAX_STREAMS && this.#characters + characters <= MAX_CHARACTERS
      if (!fits) this.wake([each.streamId])
      else {
        this.#committed.push(each)
        this.#characters += characters
        this.#since ??= Date.now()
      }
    }
  }

  /** Empties it. */
  take(): Waiting {
    const wake = this.#wakesAll ? 'all' : [...this.#woken]
    const waiting = { wake, committed: this.#committed, since: this.#since ?? Date.now() } as const
    this.#woken = new Set()
    this.#wakesAll = false
    this.#committed = []
    this.#characters = 0
    this.#since = undefined
    return waiting
  }
}
