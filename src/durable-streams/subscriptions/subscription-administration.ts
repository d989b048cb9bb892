/**
 * Creates, shows, links and deletes subscriptions. A change and its entry in the audit log are one transaction. Entries name the host of
 * a URL only: the rest of it may be secret.
 */
import { type Origin, recordAudit } from '../../audit/audit.js'
import type { Database } from '../../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../../database/workspace.js'
import { findStream } from '../../log/log.js'
import type { NetworkPolicy } from '../../network/network-policy.js'
import { notFound, SqlState, sqlState } from '../../problems/problem.js'
import type { Subscription } from './subscription.js'
import { configOf, type SubscriptionConfig } from './subscription-config.js'
import {
  type NewSubscription,
  type SubscriptionDocument,
  subscriptionDocument,
} from './subscription-document.js'
import {
  invalidSubscription,
  subscriptionDiffers,
  tooManyLinks,
  tooManySubscriptions,
} from './subscription-problem.js'
import * as rows from './subscription-rows.js'

export interface SubscriptionAdministration {
  readonly database: Database
  readonly policy: NetworkPolicy
  /** Names the key that signs the requests of webhooks. */
  readonly keyId: string
}

/**
 * The same configuration again changes nothing.
 * @param baseUrl the URL of the prefix, by which receivers can reach this gateway.
 * @throws {Problem} 400 for a configuration that is not valid; 409 `subscription-differs`, `too-many-subscriptions`, `too-many-links`.
 */
export async function putSubscription(
  { database, policy, keyId }: SubscriptionAdministration,
  origin: Origin,
  id: string,
  given: NewSubscription,
  baseUrl: string,
): Promise<{ readonly created: boolean; readonly document: SubscriptionDocument }> {
  const config = configOf(given, policy)
  const { workspace } = origin
  const created = await inWorkspace(database, workspace, client =>
    create(client, origin, id, config, baseUrl),
  )
  // In a transaction of its own: a stream that is made from now on meets a subscription that others see already.
  const document = await inWorkspace(database, workspace, async client => {
    const found = await existing(client, workspace, id)
    if (!found.backfilled && !(await rows.backfill(client, workspace, found.uid))) throw tooManyLinks()
    return await documentOf(client, found, keyId)
  }).catch(async error => {
    if (created) await inWorkspace(database, workspace, client => remove(client, origin, id))
    throw error
  })
  return { created, document }
}

/** @throws {Problem} 404 `not-found`. */
export async function getSubscription(
  { database, keyId }: SubscriptionAdministration,
  workspace: string,
  id: string,
): Promise<SubscriptionDocument> {
  return await inWorkspace(database, workspace, async client =>
    documentOf(client, await existing(client, workspace, id), keyId),
  )
}

/** @throws {Problem} 404 `not-found`. */
export async function deleteSubscription(database: Database, origin: Origin, id: string): Promise<void> {
  await inWorkspace(database, origin.workspace, async client => {
    await existing(client, origin.workspace, id)
    await remove(client, origin, id)
  })
}

/** New links begin at the ends of their streams. @throws {Problem} 404 `not-found`; 409 `too-many-links`. */
export async function addStreams(
  database: Database,
  origin: Origin,
  id: string,
  streams: readonly string[],
): Promise<void> {
  await inWorkspace(database, origin.workspace, async client => {
    const { uid, wakeStream } = await existing(client, origin.workspace, id)
    if (wakeStream !== null && streams.includes(wakeStream)) throw wakesItself()
    await link(client, origin.workspace, uid, streams)
    await recordAudit(client, {
      ...origin,
      action: 'subscription.changed',
      details: { subscription: id, added: streams.length, first: streams[0] ?? null },
    })
  })
}

/** Removes the explicit link only. @throws {Problem} 404 `not-found` without the subscription. */
export async function removeStream(
  database: Database,
  origin: Origin,
  id: string,
  path: string,
): Promise<void> {
  await inWorkspace(database, origin.workspace, async client => {
    const { uid } = await existing(client, origin.workspace, id)
    await rows.unlinkStream(client, origin.workspace, uid, path)
    const details = { subscription: id, removed: path }
    await recordAudit(client, { ...origin, action: 'subscription.changed', details })
  })
}

async function create(
  client: WorkspaceClient,
  origin: Origin,
  id: string,
  config: SubscriptionConfig,
  baseUrl: string,
): Promise<boolean> {
  const { workspace } = origin
  const { wakeStream, streams } = config
  const createdBy = origin.principal ?? 'unknown'
  const { uid, outcome } = await rows.insertSubscription(client, workspace, id, config, {
    baseUrl,
    createdBy,
  })
  if (outcome === 'different') throw subscriptionDiffers()
  if (outcome === 'too-many') throw tooManySubscriptions()
  if (outcome === 'same') return false
  if (wakeStream !== undefined && !(await findStream(client, workspace, wakeStream))) {
    throw invalidSubscription('wake_stream', 'There is no such stream. Create it before the subscription.')
  }
  if (wakeStream !== undefined && !(await rows.takesJson(client, workspace, wakeStream))) {
    throw invalidSubscription(
      'wake_stream',
      'Wakes are JSON. Use a stream whose content type is application/json.',
    )
  }
  await link(client, workspace, uid, streams)
  await recordAudit(client, { ...origin, action: 'subscription.created', details: detailsOf(id, config) })
  return true
}

function detailsOf(id: string, { type, glob, streams, url, wakeStream }: SubscriptionConfig) {
  return {
    ...{ subscription: id, type, pattern: glob?.pattern ?? null, streams: streams.length },
    ...(url && { url_host: url.host }),
    ...(wakeStream !== undefined && { wake_stream: wakeStream }),
  }
}

async function link(
  client: WorkspaceClient,
  workspace: string,
  uid: Subscription['uid'],
  streams: readonly string[],
): Promise<void> {
  if (streams.length === 0) return
  const fits = await rows.linkStreams(client, workspace, uid, streams).catch(error => {
    // It was deleted meanwhile.
    throw sqlState(error) === SqlState.noStream ? notFound('subscription') : error
  })
  if (!fits) throw tooManyLinks()
}

async function remove(client: WorkspaceClient, origin: Origin, id: string): Promise<void> {
  if (!(await rows.removeSubscription(client, origin.workspace, id))) return
  await recordAudit(client, { ...origin, action: 'subscription.deleted', details: { subscription: id } })
}

async function existing(client: WorkspaceClient, workspace: string, id: string): Promise<Subscription> {
  const found = await rows.selectSubscription(client, workspace, id)
  if (!found) throw notFound('subscription')
  return found
}

async function documentOf(client: WorkspaceClient, found: Subscription, keyId: string) {
  return subscriptionDocument(found, await rows.selectLinks(client, found.uid), keyId)
}

function wakesItself() {
  return invalidSubscription('streams', 'The wake stream would wake its own subscription. Leave it out.')
}
