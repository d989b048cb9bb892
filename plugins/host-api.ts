/** The functions for the host application. The plugin decorates the application with them, by default as `app.sluice`. */
import type { FastifyInstance } from 'fastify'
import { createRevocation, inForce } from '../src/auth/revocations/revocation-administration.js'
import type { SignedPrincipal } from '../src/auth/signed-principal.js'
import type { ClientQuestion, ClientReport } from '../src/clients/client-report.js'
import { reportClients } from '../src/hub/client-reports.js'
import { type FollowOptions, followEvents, type LogEvent, type LogReset } from '../src/hub/follow-events.js'
import type { Items } from '../src/items/items.js'
import {
  publishIn,
  type TransactionalEvent,
  type TransactionClient,
} from '../src/log/publish-in-transaction.js'
import type { Metrics } from '../src/metrics/metrics.js'
import type { RecentSample } from '../src/metrics/recent-metrics.js'

export interface Sluice {
  /**
   * Publishes inside a transaction of yours, on the gateway's database: the event commits with your changes, or not at all.
   * @param tx a client of `pg` after `begin`.
   * @throws the database's error, for a reserved type for example. It aborts your transaction.
   */
  publish(tx: TransactionClient, event: TransactionalEvent): Promise<void>
  /**
   * Calls `listener` with the events of a stream, in order, each once, while this process runs. Each call waits for the
   * promise of the previous one. To resume after a restart, store the `id` of the last event that you handled and pass it
   * as `after`. A `reset` means that events in between are no longer stored: load your state again.
   * @returns a subscription; `closed` rejects with the error of `listener`, or with a Problem if there is no such stream. The
   *   error is logged too.
   */
  onEvent(
    options: FollowOptions,
    listener: (heard: LogEvent | LogReset) => void | Promise<void>,
  ): EventSubscription
  /**
   * Makes the end of this process known: from now on `/ready` answers 503, so that balancers choose another one, and everything else
   * is served as before. Close your application `inMs` later: its close drains the streams at once.
   */
  announceStop(inMs: number): void
  /** Open streams of this process, in total and per kind of stream. */
  clients(): { readonly total: number; readonly byKind: Readonly<Record<string, number>> }
  /**
   * Ends the open streams of a principal in every process within 5 s, and refuses its requests from now on. Applies to the
   * credentials issued before now (see the principal's `issuedAt`); with `credentialId`, to that credential alone.
   */
  revoke(principal: RevokedPrincipal, options?: RevokeOptions): Promise<void>
  /**
   * Signs a JWT that this gateway accepts for `lifetimeSeconds`. `grants` limit it (docs/access.md). Requires `jwtSecret`; throws
   * without it, and for malformed grants.
   */
  signToken(principal: SignedPrincipal, lifetimeSeconds: number): string
  /**
   * The metrics of this process: in the text format of Prometheus, as documents of prom-client, and the samples of the last hour,
   * oldest first.
   */
  readonly metrics: Pick<Metrics, 'text' | 'documents'> & { recent(): readonly RecentSample[] }
  /** The clients of this process that match the question; the option `collectClients` takes them of several processes. */
  connections(question: ClientQuestion): ClientReport
  /** Undefined with `parts: { items: false }`. */
  readonly items: Items | undefined
}

export interface EventSubscription {
  /** Resolves when the subscription has ended: after `close`, when the process drains, or at the end of a closed stream. */
  readonly closed: Promise<void>
  /**
   * Ends the subscription; resolves once the listener is not called any more. Closing twice is fine. The listener must not
   * await it: it waits for the listener.
   */
  close(): Promise<void>
}

export interface RevokedPrincipal {
  readonly id: string
  readonly workspace: string
  readonly credentialId?: string | undefined
}

export interface RevokeOptions {
  /** Shown in the audit log and in the list of revocations. */
  readonly reason?: string | undefined
  /** When the revocation ends. Choose a time by which the credentials have expired. Default: it lasts until it is deleted. */
  readonly expiresAt?: Date | undefined
}

const ENDED =
  'A subscription of onEvent has failed and ended. Subscribe again after the last event that was handled.'

/** Shown in the audit log as the author of a revocation. */
const HOST = 'host-application'

export function hostApi(app: FastifyInstance): Sluice {
  return {
    publish: publishIn,
    announceStop(inMs) {
      app.serverState.announceStop(inMs)
      const { total: clients } = app.hub.clients()
      app.log.info({ clients, inMs }, 'This process is going to stop: /ready answers 503.')
    },
    clients: () => app.hub.clients(),
    metrics: {
      text: () => app.metrics.text(),
      documents: () => app.metrics.documents(),
      recent: () => app.recentMetrics.samples(),
    },
    connections: question => reportClients(app.hub, question),
    items: app.hasDecorator('items') ? app.items : undefined,
    signToken(principal, lifetimeSeconds) {
      if (!app.hasDecorator('signToken'))
        throw new Error('Cannot sign a JWT: with `authenticate`, this gateway accepts none.')
      return app.signToken(principal, lifetimeSeconds)
    },
    onEvent(options, listener) {
      const closing = new AbortController()
      const { signal = closing.signal } = options
      const either = AbortSignal.any([closing.signal, signal])
      const closed = listen(followEvents(app, { ...options, signal: either }), listener)
      closed.catch(err => app.log.error({ err, stream: options.stream }, ENDED))
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
