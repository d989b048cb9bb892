/** The parts and settings of one subscription. */
import type { EventFilter } from '../log/event-filter.js'
import type { Logger } from '../logging/logger.js'
import type { Encoding } from '../sse/encoding.js'
import type { Sink } from '../sse/sink.js'
import type { ClientIdentity } from './client-identity.js'
import type { DeliveryWindow } from './delivery-window.js'
import type { HubStream } from './hub-stream.js'
import type { Permit } from './permit.js'
import type { Start, Starts } from './start.js'

export interface SubscriptionOptions {
  readonly stream: HubStream
  readonly starts: Starts
  readonly start: Start
  readonly sink: Sink
  readonly encoding: Encoding
  readonly filter: EventFilter | undefined
  /** The id that the client brought, in a form that may be sent back. */
  readonly broughtId: string | undefined
  readonly heartbeatMs: number
  readonly permit: Permit
  readonly window: DeliveryWindow | undefined
  /** When the subscription is old enough to end, whatever its permit, in ms since 1970. */
  readonly tooOldAt: number
  readonly logger: Logger
  /** The client, as its host knows it. */
  readonly client: ClientIdentity | undefined
  /** In ms since 1970. */
  readonly openedAt: number
  onClosed(): void
}
