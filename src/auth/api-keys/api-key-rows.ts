/** The statements on sluice.api_keys, one per function. Only `selectKey`, `selectImportedKey` and `noteUses` reach beyond a workspace (I7). */
import { withIsoDates } from '../../database/iso-dates.js'
import type { Queryable } from '../../database/pool.js'
import type { WorkspaceClient } from '../../database/workspace.js'
import { type Grants, storedGrants } from '../grants/grants.js'
import type { Role } from '../principal.js'
import type { ApiKey } from './api-key.js'

/** A row without its secret; `cidr[]` is read as text, and pg turns it into an array. */
interface KeyRow
  extends Omit<ApiKey, 'role' | 'grants' | 'created_at' | 'expires_at' | 'last_used_at' | 'revoked_at'> {
  readonly role: Role
  /** JSON text. */
  readonly grants: string | null
  readonly created_at: Date
  readonly expires_at: Date | null
  readonly last_used_at: Date | null
  readonly revoked_at: Date | null
}

/** The columns that decide whether a key is valid, and for what. */
export interface StoredKey {
  readonly id: string
  readonly workspace: string
  readonly role: Role
  /** The prefix of an imported key; null for our own. */
  readonly prefix: string | null
  /** SHA-256 of the secret; of the whole text of an imported key. */
  readonly secret_hash: Buffer
  readonly allowed_ips: readonly string[] | null
  /** JSON text. */
  readonly grants: string | null
  readonly created_at: Date
  readonly expires_at: Date | null
  readonly revoked_at: Date | null
}

export interface KeyToStore {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** Null: not an imported key. */
  readonly prefix: string | null
  readonly secretHash: Buffer
  readonly allowedIps: readonly string[] | null
  readonly grants?: Grants | undefined
  readonly createdBy: string
  readonly expiresAt: Date | null
}

const COLUMNS = `k.id, k.prefix, k.name, k.role, k.expires_at, k.allowed_ips::text[] as allowed_ips, k.grants, k.created_at, k.created_by,
  k.last_used_at, k.replaced_by, k.revoked_at, k.revoked_by`
const STORED = `k.id, k.workspace, k.role, k.prefix, k.secret_hash, k.allowed_ips::text[] as allowed_ips, k.grants,
  k.created_at, k.expires_at, k.revoked_at`

/** Searches all workspaces, because only the key tells which one the caller belongs to. */
export async function selectKey(database: Queryable, id: string): Promise<StoredKey | undefined> {
  const { rows } = await database.query<StoredKey>({
    name: 'sluice-key',
    text: `select ${STORED} from sluice.api_keys k where k.id = $1`,
    values: [id],
  })
  return rows[0]
}

/** As `selectKey`, for an imported key. @param hash SHA-256 of its whole text. */
export async function selectImportedKey(database: Queryable, hash: Buffer): Promise<StoredKey | undefined> {
  const { rows } = await database.query<StoredKey>({
    name: 'sluice-imported-key',
    text: `select ${STORED} from sluice.api_keys k where k.secret_hash = $1 and k.prefix is not null`,
    values: [hash],
  })
  return rows[0]
}

export async function insertKey(
  client: WorkspaceClient,
  workspace: string,
  key: KeyToStore,
): Promise<ApiKey> {
  const { id, prefix, name, role, secretHash, allowedIps, createdBy, expiresAt, grants } = key
  const { rows } = await client.query<KeyRow>(
    `insert into sluice.api_keys as k (id, workspace, prefix, name, role, secret_hash, allowed_ips, created_by, expires_at,
       grants)
     values ($1, $2, $3, $4, $5, $6, $7::text[]::cidr[], $8, $9, $10)
     returning ${COLUMNS}`,
    [id, workspace, prefix, name, role, secretHash, allowedIps, createdBy, expiresAt, textOf(grants)],
  )
  const [made] = rows
  if (!made) throw new Error('The key was not stored.')
  return keyIn(made)
}

/** The number of working keys of a workspace. */
export async function countLiveKeys(client: WorkspaceClient, workspace: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `select count(*) from sluice.api_keys k
     where k.workspace = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())`,
    [workspace],
  )
  return rows[0]?.count ?? 0
}

/** Newest first. @param after the last key of the previous page. */
export async function selectKeys(
  database: WorkspaceClient,
  workspace: string,
  after: string | null,
  limit: number,
): Promise<ApiKey[]> {
  const { rows } = await database.query<KeyRow>(
    `select ${COLUMNS} from sluice.api_keys k
     where k.workspace = $1
       and ($2::text is null or (k.created_at, k.id) < (
         select a.created_at, a.id from sluice.api_keys a where a.workspace = $1 and a.id = $2
       ))
     order by k.created_at desc, k.id desc
     limit $3`,
    [workspace, after, limit],
  )
  return rows.map(keyIn)
}

/** Selects a key and locks it until the end of the transaction. */
export async function lockKey(
  client: WorkspaceClient,
  workspace: string,
  id: string,
): Promise<ApiKey | undefined> {
  const { rows } = await client.query<KeyRow>(
    `select ${COLUMNS} from sluice.api_keys k where k.workspace = $1 and k.id = $2 for no key update`,
    [workspace, id],
  )
  return rows[0] && keyIn(rows[0])
}

/** Sets the end of the old key of a rotation, never later than its own. */
export async function replaceKey(client: WorkspaceClient, id: string, by: string, end: Date): Promise<void> {
  await client.query(
    `update sluice.api_keys k set replaced_by = $2, expires_at = least(k.expires_at, $3) where k.id = $1`,
    [id, by, end],
  )
}

/** @returns the key as it is now. */
export async function changeGrants(
  client: WorkspaceClient,
  id: string,
  grants: Grants | undefined,
): Promise<ApiKey | undefined> {
  const { rows } = await client.query<KeyRow>(
    `update sluice.api_keys k set grants = $2 where k.id = $1 returning ${COLUMNS}`,
    [id, textOf(grants)],
  )
  return rows[0] && keyIn(rows[0])
}

export async function revokeKey(client: WorkspaceClient, id: string, by: string): Promise<void> {
  await client.query(
    `update sluice.api_keys k set revoked_at = clock_timestamp(), revoked_by = $2
     where k.id = $1 and k.revoked_at is null`,
    [id, by],
  )
}

/**
 * Stores when keys were last used, at most once a minute per key over all processes. Skips rows that another session is
 * writing.
 * @param uses milliseconds since 1970, by key id.
 */
export async function noteUses(database: Queryable, uses: ReadonlyMap<string, number>): Promise<void> {
  await database.query({
    name: 'sluice-key-uses',
    text: `with due as (
             select k.id, to_timestamp(u.at / 1000) as at
             from unnest($1::text[], $2::float8[]) as u (id, at)
             join sluice.api_keys k on k.id = u.id
             where k.last_used_at is null or k.last_used_at < to_timestamp(u.at / 1000) - interval '1 minute'
             for no key update of k skip locked
           )
           update sluice.api_keys k set last_used_at = due.at from due where k.id = due.id`,
    values: [[...uses.keys()], [...uses.values()]],
  })
}

function keyIn({ grants, ...row }: KeyRow): ApiKey {
  return { ...withIsoDates(row), grants: storedGrants(grants)?.document ?? null }
}

function textOf(grants: Grants | undefined): string | null {
  return grants ? JSON.stringify(grants.document) : null
}
