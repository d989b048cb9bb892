/**
 * The clients of this process, for admins: those that are connected, the newest ones that have closed or were refused, and a
 * line in the log for each stream that opens and closes. An open client costs nothing here: it is described when somebody asks.
 */
import type { ClosedClientDocument, RefusedClientDocument } from '../clients/client-document.js'
import { FairRing } from '../clients/fair-ring.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import type { Encoding } from '../sse/encoding.js'
import { describeClosed, describeRefused } from './client-description.js'
import type { ClientIdentity } from './client-identity.js'
import { nodeOf } from './connection-name.js'
import { cursorId } from './cursor.js'
import type { Subscription } from './subscription.js'

/** About a kilobyte each, and the text of the client's filter. */
const MOST_CLOSED = 1_000
const MOST_REFUSED = 500

/** A client that has closed, with what is needed to judge an event for it. */
export interface ClosedClient {
  readonly document: ClosedClientDocument
  readonly identity: ClientIdentity
  readonly streamId: StreamId
  readonly encoding: Encoding
}

interface Subscriptions {
  /** The id of this process. */
  readonly id: string
  readonly subscriptions: ReadonlySet<Subscription>
}

export class Connections {
  /** This process, as lists of clients name it. */
  readonly node: string
  readonly startedAt = Date.now()
  readonly closes = new FairRing<ClosedClient>(MOST_CLOSED)
  readonly refusals = new FairRing<RefusedClientDocument>(MOST_REFUSED)
  readonly #hub: Subscriptions
  readonly #logger: Logger
  #opened = 0

  constructor(hub: Subscriptions, logger: Logger) {
    this.#hub = hub
    this.node = nodeOf(hub.id)
    this.#logger = logger
  }

  /** The connected clients of a workspace. */
  *open(workspace: string): Iterable<Subscription> {
    for (const subscription of this.#hub.subscriptions) {
      if (subscription.options.client?.workspace === workspace) yield subscription
    }
  }

  /** Ends the stream of a client of the workspace; it gets the reason. @returns whether there was one. */
  end(workspace: string, connection: string): boolean {
    for (const subscription of this.open(workspace)) {
      if (subscription.options.permit.connection !== connection) continue
      subscription.stop('by-admin')
      return true
    }
    return false
  }

  /** Call this before the first byte is written. */
  opened(subscription: Subscription): void {
    const { options, stream } = subscription
    const { client, permit, start } = options
    if (!client) return
    const { kind } = stream
    this.#opened += 1
    subscription.output.own.ordinal = this.#opened
    const { requestId: reqId, workspace, principal, address, stream: name, encoding } = client
    const { connection } = permit
    const after = cursorId(start.cursor)
    // Without a spread, which V8 copies member by member for each of thousands of clients.
    const fields = { reqId, workspace, principal, address, stream: name, encoding, kind, connection, after }
    this.#logger.info(fields, 'stream opened')
  }

  closed(subscription: Subscription): void {
    const { client: identity, encoding, permit } = subscription.options
    if (!identity) return
    const document = describeClosed(subscription, identity, this.node)
    const { workspace } = identity
    this.closes.add(workspace, { document, identity, encoding, streamId: subscription.stream.id })
    const { kind, reason, duration_ms: durationMs, events, bytes, cursor } = document
    const { connection } = permit
    const fields = { ...fieldsOf(identity), kind, connection, reason, durationMs, events, bytes, cursor }
    this.#logger.info(fields, 'stream closed')
  }

  /** @param limit the cap that was reached, if it is one of the client's own. */
  refused(identity: ClientIdentity, reason: string, limit?: string): void {
    this.refusals.add(identity.workspace, describeRefused(identity, this.node, reason, limit))
  }
}

function fieldsOf({ requestId: reqId, workspace, principal, address, stream, encoding }: ClientIdentity) {
  return { reqId, workspace, principal, address, stream, encoding }
}
