/**
 * Creates, lists, rotates and revokes the API keys of a workspace. A change, its entry in the audit log and the message to all
 * processes are one transaction. The secret is returned once, with the new key, and stored nowhere.
 *
 * An administrator with grants of its own (`own`; undefined: none) makes and sees only keys whose grants are within them. To it,
 * any other key does not exist.
 */

import { type Origin, recordAudit } from '../../audit/audit.js'
import type { Database } from '../../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../../database/workspace.js'
import { formatRange, parseRange } from '../../network/address-range.js'
import { cutPage, formatCursor, parseCursor } from '../../paging/page-cursor.js'
import type { PageRequest } from '../../paging/page-query.js'
import { Problem, SqlState, sqlState } from '../../problems/problem.js'
import { grantsWithin } from '../grants/grant-problem.js'
import type { Grants } from '../grants/grants.js'
import { publishAccessChange } from '../revocations/access-change.js'
import {
  type ApiKey,
  type CreatedApiKey,
  DEFAULT_OVERLAP_SECONDS,
  MAX_KEYS,
  MORE_FOR_ROTATIONS,
  type NewApiKey,
  type Rotation,
} from './api-key.js'
import { grantsOf, isVisible, lockVisible } from './api-key-grants.js'
import * as rows from './api-key-rows.js'
import { formatApiKey, generateApiKey, hashSecret, KEY_ID_PATTERN } from './api-key-secret.js'

/** A key of a former system, as far as it may be known. */
export type KeyToImport = Omit<rows.KeyToStore, 'id' | 'createdBy'>

const KEY_ID = new RegExp(KEY_ID_PATTERN)

/**
 * @throws {Problem} 400 `invalid-request` for an end in the past or an invalid address range; 403 `grants-exceeded`; 409
 *   `too-many-keys`.
 */
export async function createKey(
  database: Database,
  origin: Origin,
  { name, role, expires_at = null, allowed_ips = null, grants = null }: NewApiKey,
  own?: Grants,
): Promise<CreatedApiKey> {
  const granted = grantsWithin(own, grants)
  const expiresAt = expires_at === null ? null : futureTime(expires_at)
  const allowedIps = allowed_ips?.map(rangeText) ?? null
  const { id, secret } = generateApiKey()
  const made = await inWorkspace(database, origin.workspace, async client => {
    const key = {
      id,
      prefix: null,
      name,
      role,
      secretHash: hashSecret(secret),
      allowedIps,
      createdBy: author(origin),
      expiresAt,
      grants: granted,
    }
    if ((await rows.countLiveKeys(client, origin.workspace)) >= MAX_KEYS) throw tooManyKeys()
    const stored = await rows.insertKey(client, origin.workspace, key)
    await recordAudit(client, {
      ...origin,
      action: 'key.created',
      details: {
        key: id,
        name,
        role,
        expires_at: stored.expires_at,
        allowed_ips: stored.allowed_ips,
        ...stored.grants,
      },
    })
    // A process may have cached the id as unknown, because a caller once guessed it.
    await publishAccessChange(client, { change: 'key', key: id })
    return stored
  })
  return { ...made, key: formatApiKey({ id, secret }) }
}

/**
 * Stores a key of a former system under an id of its own.
 * @returns the key with this hash, new or imported before; a key that is there stays as it is, whatever its workspace.
 * @throws {Problem} 409 `too-many-keys`.
 */
export async function importKey(
  database: Database,
  origin: Origin,
  key: KeyToImport,
): Promise<{ readonly isNew: boolean; readonly key: rows.StoredKey }> {
  const before = await rows.selectImportedKey(database, key.secretHash)
  if (before) return { isNew: false, key: before }
  const { id } = generateApiKey()
  await inWorkspace(database, origin.workspace, async client => {
    if ((await rows.countLiveKeys(client, origin.workspace)) >= MAX_KEYS) throw tooManyKeys()
    const { prefix, name, role, expires_at, allowed_ips, grants } = await rows.insertKey(
      client,
      origin.workspace,
      {
        ...key,
        id,
        createdBy: author(origin),
      },
    )
    const details = { key: id, prefix, name, role, expires_at, allowed_ips, ...grants }
    await recordAudit(client, { ...origin, action: 'key.imported', details })
    await publishAccessChange(client, { change: 'key', key: id })
  }).catch(error => {
    // Another import stored it meanwhile, which the next look-up shows.
    if (sqlState(error) !== SqlState.uniqueViolation) throw error
  })
  const stored = await rows.selectImportedKey(database, key.secretHash)
  if (!stored) throw new Error('The key was not stored.')
  return { isNew: stored.id === id, key: stored }
}

/** A page of keys, newest first, including ended ones. @throws {Problem} 400 `invalid-cursor`. */
export async function listKeys(
  database: Database,
  workspace: string,
  { limit, cursor }: PageRequest,
  own?: Grants,
): Promise<{ keys: ApiKey[]; next_cursor: string | null }> {
  const start = cursor === undefined ? null : parseCursor('keys', cursor, KEY_ID)
  const select = async (client: WorkspaceClient) => {
    const found: ApiKey[] = []
    for (let after = start; ; ) {
      const some = await rows.selectKeys(client, workspace, after, limit + 1)
      found.push(...some.filter(key => isVisible(own, key)))
      after = some.at(-1)?.id ?? null
      if (some.length <= limit || found.length > limit) return found.slice(0, limit + 1)
    }
  }
  const found = await inWorkspace(database, workspace, select)
  const { page, next_cursor } = cutPage(found, limit, last => formatCursor('keys', last.id))
  return { keys: page, next_cursor }
}

/**
 * Creates a key with the same role, grants, addresses and lifetime as the old one, which ends after the overlap.
 * @throws {Problem} 404 `not-found`; 409 `key-ended` for a key that no longer works, `key-rotated` for one that has been
 *   replaced, `too-many-keys` if it would overlap with too many.
 */
export async function rotateKey(
  database: Database,
  origin: Origin,
  id: string,
  { overlap = DEFAULT_OVERLAP_SECONDS }: Rotation = {},
  own?: Grants,
): Promise<CreatedApiKey> {
  const next = generateApiKey()
  const made = await inWorkspace(database, origin.workspace, async client => {
    const old = await lockVisible(client, origin, id, own)
    const now = Date.now()
    requireRotatable(old, now)
    const most = MAX_KEYS + MORE_FOR_ROTATIONS
    if (overlap > 0 && (await rows.countLiveKeys(client, origin.workspace)) >= most) throw tooManyKeys()
    const stored = await rows.insertKey(client, origin.workspace, {
      id: next.id,
      prefix: null,
      name: old.name,
      role: old.role,
      secretHash: hashSecret(next.secret),
      allowedIps: old.allowed_ips,
      createdBy: author(origin),
      expiresAt: sameLife(old, now),
      grants: grantsOf(old),
    })
    await rows.replaceKey(client, id, next.id, new Date(now + overlap * 1_000))
    // The clocks of processes differ, so an end at this time would be late in some of them. A revocation is not.
    if (overlap === 0) await rows.revokeKey(client, id, author(origin))
    const details = { key: id, replaced_by: next.id, overlap_seconds: overlap }
    await recordAudit(client, { ...origin, action: 'key.rotated', details })
    await publishAccessChange(client, { change: 'key', key: id })
    await publishAccessChange(client, { change: 'key', key: next.id })
    return stored
  })
  return { ...made, key: formatApiKey(next) }
}

/** Ends a key at once. A key that was revoked before stays as it is. @throws {Problem} 404 `not-found`. */
export async function revokeKey(database: Database, origin: Origin, id: string, own?: Grants): Promise<void> {
  await inWorkspace(database, origin.workspace, async client => {
    const key = await lockVisible(client, origin, id, own)
    if (key.revoked_at !== null) return
    await rows.revokeKey(client, id, author(origin))
    await recordAudit(client, { ...origin, action: 'key.revoked', details: { key: id, name: key.name } })
    await publishAccessChange(client, { change: 'key', key: id })
  })
}

function author({ principal }: Origin): string {
  return principal ?? 'unknown'
}

function requireRotatable({ revoked_at, expires_at, replaced_by }: ApiKey, now: number): void {
  if (revoked_at !== null || (expires_at !== null && Date.parse(expires_at) <= now)) {
    throw new Problem(409, 'key-ended', 'The key no longer works and cannot be rotated. Create a new one.')
  }
  if (replaced_by !== null) {
    const detail = `The key has been replaced by ${replaced_by}. Rotate that one, or revoke both and create another.`
    throw new Problem(409, 'key-rotated', detail, { replaced_by })
  }
}

function tooManyKeys(): Problem {
  return new Problem(
    409,
    'too-many-keys',
    `A workspace can have ${MAX_KEYS} working keys, and more only during rotations. Revoke unused keys, or rotate with an overlap of 0.`,
  )
}

function sameLife({ created_at, expires_at }: ApiKey, now: number): Date | null {
  return expires_at === null ? null : new Date(now + Date.parse(expires_at) - Date.parse(created_at))
}

function futureTime(text: string): Date {
  const time = new Date(text)
  if (time.getTime() > Date.now()) return time
  throw invalidField('expires_at', 'must be a time in the future')
}

function rangeText(text: string, at: number): string {
  const range = parseRange(text)
  if (range) return formatRange(range)
  const rule = 'must be an IP address or a CIDR range such as 203.0.113.0/24, without bits after its prefix'
  throw invalidField(`allowed_ips/${at}`, rule)
}

/** A refusal in the same form as one by the schema. */
function invalidField(name: string, message: string): Problem {
  const path = `body/${name}`
  return new Problem(400, 'invalid-request', `${path} ${message}.`, { errors: [{ path, message }] })
}
