/** What the application around the gateway can call: it is decorated with this object, by default as `app.sluice`. */
import type { FastifyInstance } from 'fastify'
import type { Principal } from '../src/auth/principal.js'
import { createRevocation, inForce } from '../src/auth/revocations/revocation-administration.js'
import { type FollowOptions, followEvents, type LogEvent, type LogReset } from '../src/hub/follow-events.js'
import type { Items } from '../src/items/items.js'
import {
  publishIn,
  type TransactionalEvent,
  type TransactionClient,
} from '../src/log/publish-in-transaction.js'

export interface Sluice {
  /**
   * Publishes inside a transaction of yours, on the gateway's database: the event commits with your changes, or not at all.
   * @param tx a client of `pg` after `begin`.
   * @throws what the database throws, such as for a reserved type; your transaction is aborted then.
   */
  publish(tx: TransactionClient, event: TransactionalEvent): Promise<void>
  /**
   * Calls `listener` with the events of a stream, in order, each once, while this process runs. The next call waits for the
   * promise that the last one returned. Keep the `id` of the last event that you have handled and give it as `after` to go
   * on after a restart. A `reset` says that events between are no longer stored: load your state again.
   * @returns a subscription; `closed` rejects with what `listener` threw, or with a Problem when there is no such stream.
   */
  onEvent(
    options: FollowOptions,
    listener: (heard: LogEvent | LogReset) => void | Promise<void>,
  ): EventSubscription
  /** Open streams of this process, in all and per kind of stream. */
  clients(): { readonly total: number; readonly byKind: Readonly<Record<string, number>> }
  /**
   * Ends the open streams of a principal in every process within 5 s, and refuses its requests from now on: what its
   * credentials were issued before now (see `issuedAt` of the principal). With `credentialId`, only that credential.
   */
  revoke(principal: RevokedPrincipal, options?: RevokeOptions): Promise<void>
  /** A JWT that this gateway accepts, for so many seconds. Only where `jwtSecret` verifies tokens; throws elsewhere. */
  signToken(principal: Pick<Principal, 'id' | 'workspace' | 'role'>, lifetimeSeconds: number): string
  /** Undefined with `parts: { items: false }`. */
  readonly items: Items | undefined
}

export interface EventSubscription {
  /** Resolves when it has ended: after `close`, or when the process drains. */
  readonly closed: Promise<void>
  /** Ends it, and resolves when the listener is no longer called. Calling it twice is fine. */
  close(): Promise<void>
}

export interface RevokedPrincipal {
  readonly id: string
  readonly workspace: string
  readonly credentialId?: string | undefined
}

export interface RevokeOptions {
  /** For the audit log and the list of revocations. */
  readonly reason?: string | undefined
  /** When the revocation ends: at the latest end of the credentials. Default: it stays until it is deleted. */
  readonly expiresAt?: Date | undefined
}

/** Shown in the audit log as the author of a revocation. */
const HOST = 'host-application'

export function hostApi(app: FastifyInstance): Sluice {
  return {
    publish: publishIn,
    clients: () => app.hub.clients(),
    items: app.hasDecorator('items') ? app.items : undefined,
    signToken(principal, lifetimeSeconds) {
      if (!app.hasDecorator('signToken'))
        throw new Error('This gateway accepts no JWT: it has `authenticate`.')
      return app.signToken(principal, lifetimeSeconds)
    },
    onEvent(options, listener) {
      const closing = new AbortController()
      const { signal = closing.signal } = options
      const either = AbortSignal.any([closing.signal, signal])
      const closed = listen(followEvents(app, { ...options, signal: either }), listener)
      closed.catch(() => undefined)
      return {
        closed,
        async close() {
          closing.abort()
          await closed.catch(() => undefined)
        },
      }
    },
    async revoke({ id, workspace, credentialId }, { reason, expiresAt } = {}) {
      const origin = { workspace, principal: HOST, address: null, requestId: null }
      const made = await createRevocation(app.database, origin, {
        ...(credentialId === undefined ? { subject: id } : { token_id: credentialId }),
        ...(reason !== undefined && { reason }),
        ...(expiresAt !== undefined && { expires_at: expiresAt.toISOString() }),
      })
      app.guard.apply([{ made: inForce(made) }])
      app.accessChanged()
    },
  }
}

async function listen(
  events: AsyncIterable<LogEvent | LogReset>,
  listener: (heard: LogEvent | LogReset) => void | Promise<void>,
): Promise<void> {
  for await (const event of events) await listener(event)
}
