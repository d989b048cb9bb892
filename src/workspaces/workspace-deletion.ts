/**
 * Deletes everything that a workspace has stored. First all of its credentials are revoked, and every gateway has time to notice,
 * so that nothing more is written with them. Then batches, each a transaction of its own, remove the rows of every table until
 * none is left. A deletion that was interrupted is repeated from the start and finds less. The last transaction removes the audit
 * log and the revocations of the workspace, and leaves one entry in the audit log of `$system`.
 */
import { type Origin, recordAudit } from '../audit/audit.js'
import { publishAccessChange, wakeForAccessChange } from '../auth/revocations/access-change.js'
import { createRevocation } from '../auth/revocations/revocation-administration.js'
import { type Database, inTransaction, type Queryable } from '../database/pool.js'
import { SWEEP_BATCH } from '../database/sweep.js'
import { elapsed } from '../process/deadline.js'

/** The time after which every gateway that reaches the database has applied a revocation. */
const REVOKED_AFTER_MS = 5_000
const PAUSE_MS = 50
/** Streams that one transaction deletes, each with up to 5,000 of its events. */
const STREAM_BATCH = 20
/** A workspace to which something still writes does not become empty. */
const MAX_PASSES = 10

/** The tables with rows of a workspace; those that refer to others come first. */
const TABLES = [
  'stream_tickets',
  'idempotency_keys',
  'webhook_attempts',
  'webhook_dead_letters',
  'webhook_waiting',
  'webhook_replays',
  'webhook_secrets',
  'webhooks',
  'consumers',
  'durable_streams',
  'durable_subscription_streams',
  'durable_subscriptions',
  'jobs',
  'item_revisions',
  'items',
  'projects',
  'usage',
  'api_keys',
  'workspaces',
] as const
/** Removed by functions of their own, by the last transaction, or never visible (pending). */
const SPECIAL_TABLES = ['streams', 'deleted_streams', 'stream_counts', 'audit', 'revocations', 'pending']
export const DELETED_TABLES: readonly string[] = [...TABLES, ...SPECIAL_TABLES]

/** The number of removed rows by table. */
export type RemovedRows = Record<string, number>

export interface DeletionOptions {
  /** Milliseconds between the revocation and the first removal; default 5,000. */
  readonly revokedAfterMs?: number
}

/**
 * @param origin its workspace is deleted.
 * @throws {Error} if something still writes to the workspace, and the faults of the database: repeat the call then.
 */
export async function deleteWorkspace(
  database: Database,
  origin: Origin,
  { revokedAfterMs = REVOKED_AFTER_MS }: DeletionOptions = {},
): Promise<RemovedRows> {
  const { workspace } = origin
  await createRevocation(database, origin, { workspace, reason: 'The workspace is being deleted.' })
  await wakeForAccessChange(database)
  await elapsed(revokedAfterMs)

  const removed: RemovedRows = {}
  for (let pass = 0; (await removeRows(database, workspace, removed)) > 0; pass += 1) {
    if (pass < MAX_PASSES) continue
    throw new Error('Something still writes to the workspace. Stop it, then repeat the command.')
  }
  await removeAudit(database, workspace, removed)
  await finish(database, origin, removed)
  await wakeForAccessChange(database)
  return removed
}

/** @returns the number of rows that this pass has removed. */
async function removeRows(database: Database, workspace: string, removed: RemovedRows): Promise<number> {
  let total = 0
  const count = (table: string, rows: number) => {
    total += rows
    if (rows > 0) removed[table] = (removed[table] ?? 0) + rows
  }
  await database.query(
    'update sluice.api_keys set replaced_by = null where workspace = $1 and replaced_by is not null',
    [workspace],
  )
  for (const table of TABLES) {
    await untilEmpty(
      () => removeBatch(database, table, workspace),
      rows => count(table, rows),
    )
  }
  await untilEmpty(
    () => dropStreams(database, workspace),
    rows => count('streams', rows),
  )
  await removeEvents(database, workspace)
  return total
}

async function untilEmpty(remove: () => Promise<number>, count: (rows: number) => void): Promise<void> {
  for (let rows = await remove(); rows > 0; rows = await remove()) count(rows)
}

function removeBatch(database: Database, table: string, workspace: string): Promise<number> {
  return inTransaction(database, async client => {
    const { rows } = await client.query<{ id?: string }>(
      `delete from sluice.${table} t
        where t.ctid = any(array(select b.ctid from sluice.${table} b where b.workspace = $1 limit ${SWEEP_BATCH}))
        returning ${table === 'api_keys' ? 't.id' : '1'}`,
      [workspace],
    )
    // The gateways forget the key: a cache would accept it when the revocation is gone.
    for (const { id } of rows) {
      if (id !== undefined) await publishAccessChange(client, { change: 'key', key: id })
    }
    return rows.length
  })
}

/** Deletes streams of every kind, also the feed and the streams of jobs. Their followers get the end. */
async function dropStreams(database: Queryable, workspace: string): Promise<number> {
  const { rows } = await database.query(
    `select sluice.drop_stream(s) from sluice.streams s
      where s.id = any(array(select b.id from sluice.streams b where b.workspace = $1 limit ${STREAM_BATCH}))`,
    [workspace],
  )
  return rows.length
}

/** Removes the events that were too many to be deleted with their streams. A gateway may be removing some of them. */
async function removeEvents(database: Queryable, workspace: string): Promise<void> {
  for (;;) {
    await database.query(`select sluice.remove_deleted(${SWEEP_BATCH}, null, $1)`, [workspace])
    const { rowCount } = await database.query(
      'select from sluice.deleted_streams d where d.workspace = $1 limit 1',
      [workspace],
    )
    if (rowCount === 0) return
    await elapsed(PAUSE_MS)
  }
}

async function removeAudit(database: Database, workspace: string, removed: RemovedRows): Promise<void> {
  await untilEmpty(
    () =>
      inTransaction(database, async client => {
        await allowRemovalOfAudit(client)
        const { rowCount } = await client.query(
          `delete from sluice.audit a where a.id = any(
             array(select b.id from sluice.audit b where b.workspace = $1 order by b.at limit ${SWEEP_BATCH}))`,
          [workspace],
        )
        return rowCount ?? 0
      }),
    rows => {
      removed.audit = (removed.audit ?? 0) + rows
    },
  )
}

function finish(database: Database, { workspace, ...origin }: Origin, removed: RemovedRows): Promise<void> {
  return inTransaction(database, async client => {
    await allowRemovalOfAudit(client)
    for (const table of ['audit', 'stream_counts', 'revocations']) {
      await client.query(`delete from sluice.${table} where workspace = $1`, [workspace])
    }
    // The gateways read all revocations again.
    await publishAccessChange(client, { change: 'revocations' })
    await recordAudit(client, {
      ...origin,
      workspace: '$system',
      action: 'workspace.deleted',
      details: { workspace, ...removed },
    })
  })
}

/** Until the end of the transaction (sluice.keep_audit). */
async function allowRemovalOfAudit(client: Queryable): Promise<void> {
  await client.query(`select set_config('sluice.forgets_audit', 'on', true)`)
}
