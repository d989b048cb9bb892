/**
 * The audit log: who did what that changes who may do what. An entry is written in the transaction of the act, so that
 * neither is there without the other, and is never changed (migrations/0006_audit.sql).
 */
import type pg from 'pg'

/** Where an act came from. */
export interface Origin {
  /** The workspace that it concerns, and whose admins may read of it. */
  readonly workspace: string
  readonly principal: string | null
  /** Null for what was done on the command line. */
  readonly address: string | null
  readonly requestId: string | null
}

export const ACTIONS = [
  'key.created',
  'key.rotated',
  'key.revoked',
  'revocation.created',
  'revocation.removed',
  'command.started',
  'server-state.changed',
  'authentication.failed',
] as const
export type Action = (typeof ACTIONS)[number]

export interface AuditEntry extends Origin {
  readonly action: Action
  /** What was done, in names and ids. Never a secret. */
  readonly details: Readonly<Record<string, string | number | boolean | null | readonly string[]>>
}

export async function recordAudit(
  database: pg.Pool | pg.PoolClient | pg.Client,
  { workspace, action, principal, address, requestId, details }: AuditEntry,
): Promise<void> {
  await database.query({
    name: 'sluice-audit',
    text: `insert into sluice.audit (workspace, action, principal, address, request_id, details)
           values ($1, $2, $3, $4, $5, $6::json)`,
    values: [workspace, action, principal, address, requestId, JSON.stringify(details)],
  })
}
