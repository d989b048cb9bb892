/** Describes the clients of this process for their admins (src/clients/client-document.ts). */
import type {
  ClientDocument,
  ClientState,
  ClosedClientDocument,
  RefusedClientDocument,
} from '../clients/client-document.js'
import type { ClientIdentity } from './client-identity.js'
import { cursorId } from './cursor.js'
import type { Subscription } from './subscription.js'

export function describeOpen(
  subscription: Subscription,
  identity: ClientIdentity,
  node: string,
): ClientDocument {
  const { stream, output, options, cursor } = subscription
  const now = Date.now()
  return {
    ...identityOf(identity, options.permit.connection, node),
    ...entitledOf(identity),
    ...progressOf(subscription),
    age_ms: now - options.openedAt,
    head: cursorId(stream.head),
    lag_events: Math.max(0, stream.head.position - cursor.position),
    state: stateOf(subscription),
    last_heartbeat_at: textOf(output.own.heartbeatAt),
  }
}

export function describeClosed(
  subscription: Subscription,
  identity: ClientIdentity,
  node: string,
): ClosedClientDocument {
  const { output, options } = subscription
  const now = Date.now()
  return {
    ...identityOf(identity, options.permit.connection, node),
    ...entitledOf(identity),
    ...progressOf(subscription),
    closed_at: timeOf(now),
    duration_ms: now - options.openedAt,
    reason: output.closeReason,
  }
}

export function describeRefused(
  identity: ClientIdentity,
  node: string,
  reason: string,
  limit: string | undefined,
): RefusedClientDocument {
  return { ...identityOf(identity, null, node), refused_at: timeOf(Date.now()), reason, limit: limit ?? null }
}

function identityOf<Name extends string | null>(identity: ClientIdentity, connection: Name, node: string) {
  const { principal, role, credential, address, requestId, stream, dialect, encoding, consumer } = identity
  return {
    connection,
    node,
    principal,
    role,
    credential: credential ?? null,
    address: address ?? null,
    request_id: requestId,
    stream,
    dialect,
    encoding,
    consumer: consumer ? { name: consumer.name, epoch: consumer.epoch } : null,
  }
}

function entitledOf({ wanted, granted }: ClientIdentity) {
  return {
    filter: wanted
      ? {
          types: wanted.types.matchesAll ? null : wanted.types.terms,
          where: wanted.where?.key ?? null,
        }
      : null,
    granted_types: granted?.types.terms ?? null,
  }
}

function progressOf({ stream, output, state, options, cursor }: Subscription) {
  const { start, broughtId, openedAt } = options
  const { events, resets, lastReset } = output.own
  const at = state.name === 'closed' ? state.before : state
  return {
    kind: stream.kind,
    opened_at: timeOf(openedAt),
    started_after: cursorId(start.cursor),
    brought_id: broughtId !== undefined,
    newest_by_key_to: start.latest ? cursorId(start.latest.upTo) : null,
    cursor: cursorId(cursor),
    events,
    bytes: output.bytes,
    bytes_waiting: output.waitingBytes,
    behind_since: at.name === 'catching-up' ? timeOf(at.since) : null,
    live_since: at.name === 'live' ? timeOf(at.since) : null,
    resets,
    last_reset: lastReset
      ? {
          at: timeOf(lastReset.at),
          reason: lastReset.reason,
          from: lastReset.from ? cursorId(lastReset.from) : null,
          to: cursorId(lastReset.to),
        }
      : null,
  }
}

function stateOf({ output, options, state }: Subscription): ClientState {
  if (output.full) return 'full'
  if (options.window?.room === 0) return 'unacknowledged'
  return state.name === 'live' ? 'live' : 'catching-up'
}

function textOf(ms: number | undefined): string | null {
  return ms === undefined ? null : timeOf(ms)
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
