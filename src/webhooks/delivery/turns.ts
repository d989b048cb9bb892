/**
 * The turns of all deliveries of this process: first among those to the same origin, then among all. So a slow host with many
 * endpoints holds a part of the slots only, and the others wait for each other fairly.
 */
import type { Endpoint } from '../endpoint.js'
import { FairSlots } from './fair-slots.js'

/** Requests to one origin under way at once. */
const MAX_PER_ORIGIN = 64

export interface TurnsOptions {
  /** Requests under way at once in this process. */
  readonly concurrency: number
  /** Default 64. */
  readonly perOrigin?: number | undefined
}

export class Turns {
  readonly #all: FairSlots
  readonly #perOrigin: number
  readonly #origins = new Map<string, FairSlots>()

  constructor({ concurrency, perOrigin = MAX_PER_ORIGIN }: TurnsOptions) {
    this.#all = slotsFor(concurrency)
    this.#perOrigin = perOrigin
  }

  get underWay(): number {
    return this.#all.used
  }

  /** Deliveries that wait for their turn. */
  get waiting(): number {
    let waiting = this.#all.waiting
    for (const origin of this.#origins.values()) waiting += origin.waiting
    return waiting
  }

  /** @returns a function that ends the turn; undefined if the signal aborts first. */
  async take({ id, workspace, url }: Pick<Endpoint, 'id' | 'workspace' | 'url'>, signal: AbortSignal) {
    const { origin } = new URL(url)
    const slots = this.#origins.get(origin) ?? slotsFor(this.#perOrigin)
    this.#origins.set(origin, slots)
    const claimant = { workspace, endpoint: id }
    const leave = () => {
      if (slots.used === 0 && slots.waiting === 0 && this.#origins.get(origin) === slots)
        this.#origins.delete(origin)
    }
    const ofOrigin = await slots.take(claimant, signal)
    if (!ofOrigin) {
      leave()
      return undefined
    }
    const ofAll = await this.#all.take(claimant, signal)
    const end = () => {
      ofAll?.()
      ofOrigin()
      leave()
    }
    if (ofAll) return end
    end()
    return undefined
  }
}

/** One workspace leaves a quarter of them to others. */
function slotsFor(count: number): FairSlots {
  return new FairSlots(count, Math.max(1, Math.ceil((count * 3) / 4)))
}
