/** Chooses the next delivery of a lane: one that waits and is due, or the next event. Takes back deliveries that were not sent. */
import type { Lane as LaneName, WaitingDelivery } from '../endpoint.js'
import { type Delivery, firstDelivery, nextTry } from './delivery.js'
import type { LanePlace } from './lane-place.js'
import { type LaneResets, OWN } from './lane-resets.js'
import type { LaneSupply } from './lane-supply.js'
import type { WaitingDeliveries } from './waiting-deliveries.js'

export interface LaneQueueParts {
  readonly name: LaneName
  readonly isOrdered: boolean
  readonly waiting: WaitingDeliveries
  readonly resets: LaneResets
  readonly place: LanePlace
  readonly supply: LaneSupply
}

export class LaneQueue {
  readonly #parts: LaneQueueParts

  constructor(parts: LaneQueueParts) {
    this.#parts = parts
  }

  /**
   * @param now in milliseconds since 1970.
   * @returns the delivery, which counts as begun; or the time of the next try, if nothing can begin before it; or undefined: a
   *   read, or growth of the stream, will wake the lane.
   */
  next(now: number): Delivery | { readonly at: number } | undefined {
    const { waiting } = this.#parts
    const blocking = this.#blocking
    const due = blocking ?? waiting.soonest
    const at = due && !waiting.isTried(due) ? due.nextTryAt.getTime() : undefined
    if (due && at !== undefined && at <= now) {
      waiting.try(due)
      return nextTry(due)
    }
    const first = blocking || waiting.full ? undefined : this.#first()
    return first ?? (at === undefined ? undefined : { at })
  }

  /** Takes back a delivery that was no attempt: it is begun again, in its order. */
  putBack({ position, item }: Delivery, isClosed: boolean): void {
    const { waiting, place, supply } = this.#parts
    waiting.putBack(position)
    if (!item || isClosed) return
    place.putBack(position)
    supply.putBack(item)
  }

  /**
   * The log no longer has the event: reads again after the cursor, which shows what else is lost. @returns whether the
   * delivery was waiting.
   */
  withdraw({ position }: Delivery): boolean {
    const { waiting, place, supply } = this.#parts
    place.withdraw(position)
    supply.verifyAfter(place.cursor)
    return waiting.delete(position)
  }

  /** The delivery before which no other one may begin. */
  get #blocking(): WaitingDelivery | undefined {
    const { resets, waiting, isOrdered } = this.#parts
    if (resets.message) return waiting.at(OWN)
    return isOrdered ? waiting.first : undefined
  }

  #first(): Delivery | undefined {
    const { supply, place, name } = this.#parts
    const item = supply.take()
    if (!item) return undefined
    place.begin(item.cursor, item.at)
    return firstDelivery(name, item)
  }
}
