/**
 * The deliveries of a lane that wait for their next try. Each is stored too, so it survives the process; here it holds no event.
 * An ordered lane has one at most, except after it was parallel.
 */
import type { WaitingDelivery } from '../endpoint.js'

/** A parallel lane takes no new events while this many deliveries wait. */
const MAX_WAITING = 256

export class WaitingDeliveries {
  readonly #byPosition: Map<number, WaitingDelivery>
  /** Positions of the deliveries that are being tried now. */
  readonly #trying = new Set<number>()

  constructor(stored: readonly WaitingDelivery[]) {
    const inOrder = [...stored].sort((one, other) => one.position - other.position)
    this.#byPosition = new Map(inOrder.map(waiting => [waiting.position, waiting]))
  }

  get size(): number {
    return this.#byPosition.size
  }

  get full(): boolean {
    return this.size >= MAX_WAITING
  }

  at(position: number): WaitingDelivery | undefined {
    return this.#byPosition.get(position)
  }

  isTried({ position }: WaitingDelivery): boolean {
    return this.#trying.has(position)
  }

  set(waiting: WaitingDelivery): void {
    this.#byPosition.set(waiting.position, waiting)
    this.#trying.delete(waiting.position)
  }

  /** @returns whether it was there. */
  delete(position: number): boolean {
    this.#trying.delete(position)
    return this.#byPosition.delete(position)
  }

  /** The delivery with the lowest position: the one that an ordered lane waits for. */
  get first(): WaitingDelivery | undefined {
    let first: WaitingDelivery | undefined
    for (const waiting of this.#byPosition.values())
      if (!first || waiting.position < first.position) first = waiting
    return first
  }

  /** The delivery that has to be tried first, of those that are not being tried. */
  get soonest(): WaitingDelivery | undefined {
    let soonest: WaitingDelivery | undefined
    for (const waiting of this.#byPosition.values()) {
      if (this.#trying.has(waiting.position)) continue
      if (!soonest || waiting.nextTryAt < soonest.nextTryAt) soonest = waiting
    }
    return soonest
  }

  try({ position }: WaitingDelivery): void {
    this.#trying.add(position)
  }

  /** The delivery was not sent, and its time is past: it is due again. */
  putBack(position: number): void {
    this.#trying.delete(position)
  }
}
