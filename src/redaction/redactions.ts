/**
 * Redacts stored events for a caller: their data is replaced for ever, in the log and in everything that the database has copied
 * from it (migrations/0035_redaction.sql). The change and its entry in the audit log are one transaction. The entry names the
 * events, never their data.
 */
import { type Origin, recordAudit } from '../audit/audit.js'
import { type Database, inTransaction, type Queryable } from '../database/pool.js'
import type { StoredEvent } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'
import { problemOf } from '../log/publish-problem.js'
import { notFound, SqlState, sqlState } from '../problems/problem.js'

export interface Redaction {
  readonly stream: string
  /** Clients can read it, and it is never erased. */
  readonly reason: string
  /** Whether the log still knows who published the events. */
  readonly keepActor: boolean
}

/**
 * @param events as they are stored, at least one. One that was redacted before stays as it is.
 * @returns how many were redacted now.
 * @throws {Problem} 404 `not-found`, 503 `stream-busy`, `write-conflict` or `database-unavailable`.
 */
export async function redactEvents(
  database: Database,
  origin: Origin,
  events: readonly StoredEvent[],
  redaction: Redaction,
): Promise<number> {
  const { stream, reason } = redaction
  const ids = events.map(({ position, eventId }) => formatEventId(position, eventId))
  const details = { stream, first: ids[0] ?? null, last: ids.at(-1) ?? null, reason }
  try {
    return await inTransaction(database, async client => {
      const redacted = await redact(client, origin, events, redaction)
      if (redacted > 0)
        await recordAudit(client, { ...origin, action: 'event.redacted', details: { ...details, redacted } })
      return redacted
    })
  } catch (error) {
    throw sqlState(error) === SqlState.noStream ? notFound('stream') : problemOf(error)
  }
}

/** The transaction belongs to the workspace of the caller from here on. */
async function redact(
  client: Queryable,
  { workspace, principal }: Origin,
  events: readonly StoredEvent[],
  { stream, reason, keepActor }: Redaction,
): Promise<number> {
  const { rows } = await client.query<{ redacted: number }>({
    name: 'sluice-redact-events',
    text: `
      select sluice.redact_events(own.workspace, $2, $3, $4, $5, $6, $7) as redacted
        from set_config('sluice.workspace', $1, true) as own (workspace)`,
    values: [
      workspace,
      stream,
      events.map(({ position }) => position),
      events.map(({ eventId }) => eventId),
      reason,
      principal,
      keepActor,
    ],
  })
  return rows[0]?.redacted ?? 0
}
