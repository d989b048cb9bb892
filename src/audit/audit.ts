/**
 * The audit log: every change of access, with the principal who made it. An entry is written in the transaction of
 * its action, so that neither exists without the other, and is never changed (migrations/0012_audit.sql).
 */
import type { Queryable } from '../database/pool.js'

/** The origin of an action. */
export interface Origin {
  /** The workspace that the action affects, and whose admins may read the entry. */
  readonly workspace: string
  readonly principal: string | null
  /** Null for actions on the command line. */
  readonly address: string | null
  readonly requestId: string | null
}

export const ACTIONS = [
  'key.created',
  'key.imported',
  'key.changed',
  'key.rotated',
  'key.revoked',
  'revocation.created',
  'revocation.removed',
  'command.started',
  'command.cancelled',
  'command.ended',
  'project.declared',
  'project.changed',
  'project.deleted',
  'stream.created',
  'stream.configured',
  'stream.closed',
  'stream.deleted',
  'client.ended',
  'consumer.created',
  'consumer.changed',
  'consumer.sought',
  'consumer.deleted',
  'consumer.lagging',
  'workspace.configured',
  'workspace.exported',
  'workspace.deleted',
  'event.redacted',
  'webhook.created',
  'webhook.changed',
  'webhook.deleted',
  'webhook.tested',
  'webhook.paused',
  'webhook.resumed',
  'webhook.disabled',
  'webhook.secret-rotated',
  'webhook.replayed',
  'webhook.replay-stopped',
  'webhook.retried',
  'subscription.created',
  'subscription.changed',
  'subscription.deleted',
  'server-state.changed',
  'authentication.failed',
] as const
export type Action = (typeof ACTIONS)[number]

export interface AuditEntry extends Origin {
  readonly action: Action
  /** The action's details, as names and ids. Never a secret. */
  readonly details: Readonly<Record<string, string | number | boolean | null | readonly string[]>>
  /** The time of an action that is recorded later; default now. */
  readonly at?: Date
}

/** Several entries are one statement. Within a transaction they commit or roll back with it. */
export async function recordAudit(database: Queryable, ...entries: readonly AuditEntry[]): Promise<void> {
  await database.query({
    name: 'sluice-audit',
    text: `insert into sluice.audit (at, workspace, action, principal, address, request_id, details)
           select coalesce(e.at, clock_timestamp()), e.workspace, e.action, e.principal, e.address, e.request_id, e.details
             from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::json[])
               as e (at, workspace, action, principal, address, request_id, details)`,
    values: [
      entries.map(({ at }) => at),
      entries.map(({ workspace }) => workspace),
      entries.map(({ action }) => action),
      entries.map(({ principal }) => principal),
      entries.map(({ address }) => address),
      entries.map(({ requestId }) => requestId),
      entries.map(({ details }) => JSON.stringify(details)),
    ],
  })
}
