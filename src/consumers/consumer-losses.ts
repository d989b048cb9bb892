/** A consumer whose cursor the log no longer continues: its holder gets a `reset`, its workspace an event and an entry in the audit log. */
import { recordAudit } from '../audit/audit.js'
import { type Database, inTransaction } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'
import type { Claim, Consumer } from './consumer.js'
import { resetCursor } from './cursor-rows.js'

/** The event waits for the lock of the feed, which a transaction of an application may keep for long. */
export const BRIEF_LOCKS = `set local lock_timeout = '2s'`

/**
 * Keeps the reset of a pull consumer in its row until a holder acknowledges it. Notifies the workspace once: not again before the
 * consumer has caught up.
 * @returns undefined if the claim was lost.
 * @throws SQLSTATE 55P03 if another transaction keeps the feed locked: try again.
 */
export function resetConsumer(
  database: Database,
  claim: Claim,
  stream: StreamId,
  to: Head,
): Promise<Consumer | undefined> {
  return inTransaction(database, async client => {
    await client.query(BRIEF_LOCKS)
    const reset = await resetCursor(client, claim, stream, to)
    if (reset?.firstLoss) await recordLag(client, reset.consumer, { lost: true })
    return reset?.consumer
  })
}

/** In the transaction that publishes `consumer.lagging`. */
export function recordLag(
  client: Parameters<typeof recordAudit>[0],
  { workspace, name, kind, stream }: Pick<Consumer, 'workspace' | 'name' | 'kind' | 'stream'>,
  details: { readonly lost: boolean; readonly lag_events?: number; readonly lag_seconds?: number },
): Promise<void> {
  return recordAudit(client, {
    workspace,
    principal: null,
    address: null,
    requestId: null,
    action: 'consumer.lagging',
    details: { consumer: name, kind, stream, ...details },
  })
}
