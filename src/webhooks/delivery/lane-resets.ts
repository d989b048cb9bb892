/** The `sluice.reset` that a lane has to deliver before anything else, if the log did not continue its cursor. */
import type { Cursor } from '../../hub/cursor.js'
import type { WaitingDelivery } from '../endpoint.js'
import type { Message } from '../sending/message.js'
import { continuesAt, type LostCursor, resetMessage } from './reset-message.js'

/** Its place among the deliveries that wait: before all events. */
export const OWN = 0

export class LaneResets {
  /** A reset that an earlier holder has failed to deliver. Whether it is still due shows when the lane reads. */
  #stored: WaitingDelivery | undefined
  #pending: { readonly message: Message; readonly to: Required<Cursor> } | undefined

  constructor(waiting: readonly WaitingDelivery[]) {
    this.#stored = waiting.find(({ position }) => position === OWN)
  }

  get message(): Message | undefined {
    return this.#pending?.message
  }

  /** @returns the delivery; the schedule of the stored one goes on if it is the same reset. */
  lose(loss: LostCursor): WaitingDelivery {
    const message = resetMessage(loss)
    const { eventId } = message
    const { at } = loss
    this.#pending = { message, to: continuesAt(loss) }
    if (this.#stored?.eventId === eventId) return this.#stored
    const fresh = { lane: 'live', position: OWN, eventId, attempts: 0, since: at, nextTryAt: at } as const
    return { ...fresh, status: undefined, error: undefined }
  }

  /** The receiver has it. @returns where the lane continues. */
  settle(): Required<Cursor> | undefined {
    const { to } = this.#pending ?? {}
    this.#pending = undefined
    return to
  }

  /** The stored reset, if it is not due any more, such as after a restore of the events that were lost. Returned once. */
  takeStale(): WaitingDelivery | undefined {
    const stored = this.#stored
    this.#stored = undefined
    return this.#pending ? undefined : stored
  }
}
