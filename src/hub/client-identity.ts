/** The client of a subscription, as the host of the hub knows it: for lists of clients, the log, and explanations. */
import type { EventFilter } from '../log/event-filter.js'

export interface ClientIdentity {
  readonly workspace: string
  /** The id of the principal. */
  readonly principal: string
  readonly role: string
  /** The id of the API key, or the `jti` of the token. */
  readonly credential: string | undefined
  readonly address: string | undefined
  readonly requestId: string
  /** The name of the stream. */
  readonly stream: string
  readonly dialect: string
  readonly encoding: string
  /** The consumer that the client holds; undefined: it follows the stream itself. */
  readonly consumer: { readonly name: string; readonly epoch: number } | undefined
  /** The events that the client asked for; undefined: all. */
  readonly wanted: EventFilter | undefined
  /** The events of the types that its grants allow; undefined: all. */
  readonly granted: EventFilter | undefined
}
