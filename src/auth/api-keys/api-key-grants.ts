/** The grants of API keys: their change, and which keys an administrator with grants of its own sees. */
import { type Origin, recordAudit } from '../../audit/audit.js'
import type { Database } from '../../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../../database/workspace.js'
import { notFound } from '../../problems/problem.js'
import { grantsWithin } from '../grants/grant-problem.js'
import { Grants, mayGive } from '../grants/grants.js'
import { publishAccessChange } from '../revocations/access-change.js'
import type { ApiKey, KeyChange } from './api-key.js'
import * as rows from './api-key-rows.js'

/**
 * Changes what a key allows. Its open streams that the new grants do not allow end.
 * @throws {Problem} 404 `not-found`; 403 `grants-exceeded`.
 */
export async function changeKey(
  database: Database,
  origin: Origin,
  id: string,
  { grants }: KeyChange,
  own?: Grants,
): Promise<ApiKey> {
  return inWorkspace(database, origin.workspace, async client => {
    await lockVisible(client, origin, id, own)
    const changed = await rows.changeGrants(client, id, grantsWithin(own, grants))
    if (!changed) throw notFound('key')
    const details = { key: id, ...(changed.grants ?? { grants: null }) }
    await recordAudit(client, { ...origin, action: 'key.changed', details })
    await publishAccessChange(client, { change: 'key', key: id })
    return changed
  })
}

/** The key, locked until the end of the transaction. @throws {Problem} 404 `not-found` for one that the administrator may not see. */
export async function lockVisible(
  client: WorkspaceClient,
  { workspace }: Origin,
  id: string,
  own: Grants | undefined,
): Promise<ApiKey> {
  const key = await rows.lockKey(client, workspace, id)
  if (!key || !isVisible(own, key)) throw notFound('key')
  return key
}

export function isVisible(own: Grants | undefined, key: ApiKey): boolean {
  return mayGive(own, grantsOf(key))
}

export function grantsOf({ grants }: Pick<ApiKey, 'grants'>): Grants | undefined {
  return grants ? Grants.of(grants) : undefined
}
