/** The errors of a consumer, besides those of every request. */
import { SluiceError } from '../errors.js'
import type { FeedEvent } from '../events.js'

/**
 * Another client has the consumer now. The code is `taken-over` if the stream or an acknowledgement said so, `consumer-held` or
 * `consumer-lost` if the gateway refused the stream.
 */
export class TakenOverError extends SluiceError {
  override name = 'TakenOverError'
}

/** The handler has failed; `cause` is its error. The event is not acknowledged, so the gateway hands it out again. */
export class HandlerError extends SluiceError {
  override name = 'HandlerError'

  constructor(
    readonly event: FeedEvent,
    cause: unknown,
  ) {
    super('handler-failed', `The handler failed at the event ${event.id}: ${String(cause)}`, { cause })
  }
}
