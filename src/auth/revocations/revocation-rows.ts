/** The statements on sluice.revocations, one per function. Only `selectInForce` reaches beyond a workspace (I7). */

import { withIsoDates } from '../../database/iso-dates.js'
import type { Queryable } from '../../database/pool.js'
import type { WorkspaceClient } from '../../database/workspace.js'
import type { Place } from '../../paging/page-cursor.js'
import type { Revocation } from './revocation.js'
import type { RevocationInForce } from './revocations.js'

interface RevocationRow extends Omit<Revocation, 'at' | 'expires_at'> {
  readonly at: Date
  readonly expires_at: Date | null
}

const COLUMNS = 'r.id, r.workspace, r.subject, r.token_id, r.at, r.by, r.reason, r.expires_at'

/** Searches all workspaces, because a process checks the callers of all of them. */
export async function selectInForce(database: Queryable): Promise<RevocationInForce[]> {
  const { rows } = await database.query<RevocationRow>({
    name: 'sluice-revocations-in-force',
    text: `select r.id, r.workspace, r.subject, r.token_id, r.at, r.expires_at from sluice.revocations r
            where r.expires_at is null or r.expires_at > clock_timestamp()`,
  })
  return rows.map(({ at, expires_at, ...row }) => ({
    ...row,
    at: at.getTime(),
    expiresAt: expires_at?.getTime() ?? Number.POSITIVE_INFINITY,
  }))
}

export async function insertRevocation(
  client: WorkspaceClient,
  { workspace, subject, token_id, by, reason, expires_at }: Omit<Revocation, 'id' | 'at'>,
): Promise<Revocation> {
  const { rows } = await client.query<RevocationRow>(
    `insert into sluice.revocations as r (workspace, subject, token_id, by, reason, expires_at)
     values ($1, $2, $3, $4, $5, $6) returning ${COLUMNS}`,
    [workspace, subject, token_id, by, reason, expires_at],
  )
  const [made] = rows
  if (!made) throw new Error('The revocation was not stored.')
  return withIsoDates(made)
}

/** Newest first. */
export async function selectRevocations(
  client: WorkspaceClient,
  workspace: string,
  after: Place | undefined,
  limit: number,
): Promise<{ revocation: Revocation; at: number }[]> {
  const { rows } = await client.query<RevocationRow & { microseconds: number }>(
    `select ${COLUMNS}, (extract(epoch from r.at) * 1000000)::bigint as microseconds
       from sluice.revocations r
      where r.workspace = $1
        and ($2::bigint is null
             or (r.at, r.id) < (timestamptz 'epoch' + $2::bigint * interval '1 microsecond', $3::uuid))
      order by r.at desc, r.id desc
      limit $4`,
    [workspace, after?.at, after?.id, limit],
  )
  return rows.map(({ microseconds, ...row }) => ({ revocation: withIsoDates(row), at: microseconds }))
}

/** @returns the removed revocation; undefined if there is none with this id. */
export async function deleteRevocation(
  client: WorkspaceClient,
  workspace: string,
  id: string,
): Promise<Revocation | undefined> {
  const { rows } = await client.query<RevocationRow>(
    `delete from sluice.revocations r where r.workspace = $1 and r.id = $2 returning ${COLUMNS}`,
    [workspace, id],
  )
  return rows[0] && withIsoDates(rows[0])
}

export async function countRevocations(client: WorkspaceClient, workspace: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'select count(*) from sluice.revocations r where r.workspace = $1',
    [workspace],
  )
  return rows[0]?.count ?? 0
}

/** Deletes the expired revocations of a workspace. */
export async function deleteExpired(client: WorkspaceClient, workspace: string): Promise<void> {
  await client.query(
    'delete from sluice.revocations r where r.workspace = $1 and r.expires_at < clock_timestamp()',
    [workspace],
  )
}
