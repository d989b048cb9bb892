/** What an application can ask of a consumer that it follows. */
import type { Notice } from '../events.js'
import type { ConnectionOptions } from '../stream-options.js'

export interface ConsumerOptions extends ConnectionOptions {
  /** Acknowledge after this many handled events, and after half of the consumer's `max_in_flight` at the latest. Default 100. */
  readonly ackEvery?: number | undefined
  /** Acknowledge handled events after this many milliseconds, and after a quarter of `ack_timeout_ms` at the latest. Default 1000. */
  readonly ackAfter?: number | undefined
  /** How long the end waits for the last acknowledgement, in milliseconds. Without it, the events come again. Default 5000. */
  readonly closeWithin?: number | undefined
  /** Take the consumer over from the client that holds it. Default false: wait until it is free. */
  readonly takeover?: boolean | undefined
  /** When another client takes the consumer over, wait until it is free again. Default false: end with a TakenOverError. */
  readonly standby?: boolean | undefined
  /** Events get their position, time and UUID, and `text` is the whole document. Default false. */
  readonly envelope?: boolean | undefined
  /**
   * Called when events after the cursor cannot be delivered, before any further event: load the state anew. The consumer continues
   * after `notice.data.head`, which is acknowledged when this function has returned. Without it, the consumer ends with a SluiceError
   * with the code `reset`.
   */
  reload?: ((notice: Notice<'reset'>) => unknown) | undefined
  /** Called with each message of the gateway about the stream itself. */
  onNotice?: ((notice: Notice) => void) | undefined
}
