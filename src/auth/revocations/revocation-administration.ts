/**
 * Creates, lists and removes the revocations of a workspace. A change, its entry in the audit log and the message to all
 * processes are one transaction.
 */
import { type Origin, recordAudit } from '../../audit/audit.js'
import type { Database } from '../../database/pool.js'
import { inWorkspace } from '../../database/workspace.js'
import { cutPage, formatPlace, parsePlace } from '../../paging/page-cursor.js'
import type { PageRequest } from '../../paging/page-query.js'
import { notFound, Problem } from '../../problems/problem.js'
import { type MadeRevocation, publishAccessChange } from './access-change.js'
import type { NewRevocation, Revocation } from './revocation.js'
import * as rows from './revocation-rows.js'

/** Every process holds all revocations in force, about 100 bytes each: one workspace must not fill the memory of all. */
const MAX_REVOCATIONS = 10_000
/** Reserved for revoking the whole workspace: a thief must not prevent that by filling the list. */
const MORE_FOR_WORKSPACE = 100

/**
 * @throws {Problem} 400 `invalid-request` unless exactly one of `subject`, `token_id` and `workspace` is given, and for an end
 *   in the past; 404 `not-found` for another workspace, whether it exists or not; 409 `too-many-revocations`.
 */
export async function createRevocation(
  database: Database,
  origin: Origin,
  { subject, token_id, workspace, reason, expires_at }: NewRevocation,
): Promise<Revocation> {
  if ([subject, token_id, workspace].filter(given => given !== undefined).length !== 1) {
    throw invalid('Give exactly one of subject, token_id and workspace.')
  }
  if (workspace !== undefined && workspace !== origin.workspace) {
    throw new Problem(404, 'not-found', 'You can revoke only your own workspace. Name that one.')
  }
  // Formatted again: the schema accepts time offsets that Postgres does not.
  const end = expires_at === undefined ? null : new Date(expires_at)
  if (end !== null && !(end.getTime() > Date.now())) {
    throw invalid('body/expires_at must be a time in the future.')
  }
  return inWorkspace(database, origin.workspace, async client => {
    await rows.deleteExpired(client, origin.workspace)
    const most = MAX_REVOCATIONS + (workspace === undefined ? 0 : MORE_FOR_WORKSPACE)
    if ((await rows.countRevocations(client, origin.workspace)) >= most) throw tooMany()
    const made = await rows.insertRevocation(client, {
      workspace: origin.workspace,
      subject: subject ?? null,
      token_id: token_id ?? null,
      by: origin.principal ?? 'unknown',
      reason: reason ?? null,
      expires_at: end?.toISOString() ?? null,
    })
    await recordAudit(client, { ...origin, action: 'revocation.created', details: detailsOf(made) })
    await publishAccessChange(client, { change: 'revocations', made: inForce(made) })
    return made
  })
}

/** A page of revocations, newest first. @throws {Problem} 400 `invalid-cursor`. */
export async function listRevocations(
  database: Database,
  workspace: string,
  { limit, cursor }: PageRequest,
): Promise<{ revocations: Revocation[]; next_cursor: string | null }> {
  const after = cursor === undefined ? undefined : parsePlace('revocations', cursor)
  const found = await inWorkspace(database, workspace, client =>
    rows.selectRevocations(client, workspace, after, limit + 1),
  )
  const { page, next_cursor } = cutPage(found, limit, ({ at, revocation }) =>
    formatPlace('revocations', { at, id: revocation.id }),
  )
  return { revocations: page.map(({ revocation }) => revocation), next_cursor }
}

/** Makes the revoked credentials valid again. @returns the removed revocation. @throws {Problem} 404 `not-found`. */
export async function removeRevocation(database: Database, origin: Origin, id: string): Promise<Revocation> {
  return inWorkspace(database, origin.workspace, async client => {
    const removed = await rows.deleteRevocation(client, origin.workspace, id)
    if (!removed) throw notFound('revocation')
    await recordAudit(client, { ...origin, action: 'revocation.removed', details: detailsOf(removed) })
    const { subject, token_id, workspace } = removed
    await publishAccessChange(client, {
      change: 'revocations',
      removed: { id, subject, token_id, workspace },
    })
    return removed
  })
}

/** The part of a revocation that every process holds. */
export function inForce({ id, workspace, subject, token_id, at, expires_at }: Revocation): MadeRevocation {
  const expiresAt = expires_at === null ? null : Date.parse(expires_at)
  return { id, workspace, subject, token_id, at: Date.parse(at), expiresAt }
}

function detailsOf({ id, subject, token_id, reason, expires_at }: Revocation) {
  return { revocation: id, subject, token_id, reason, expires_at }
}

function tooMany(): Problem {
  return new Problem(
    409,
    'too-many-revocations',
    `There are ${MAX_REVOCATIONS} revocations. Remove some, or revoke the whole workspace; with expires_at they are removed automatically.`,
  )
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid-request', detail)
}
