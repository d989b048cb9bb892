/**
 * Creates, changes and deletes webhooks for the admins of a workspace. A change and its entry in the audit
 * log are one transaction. Entries name the host of the URL only: the rest of it may be secret, as header values are.
 */
import { randomUUID } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import type { ConsumerId } from '../consumers/consumer.js'
import { changeConsumer, insertConsumer, removeConsumer } from '../consumers/consumer-creation.js'
import { resolvePlace } from '../consumers/consumer-place.js'
import { readConsumer } from '../consumers/consumer-rows.js'
import type { Database } from '../database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../database/workspace.js'
import { FEED, type StreamId } from '../log/event.js'
import { EventFilter } from '../log/event-filter.js'
import { ensureStream, findStream } from '../log/log.js'
import { parsePlaceName } from '../log/named-place.js'
import type { NetworkPolicy } from '../network/network-policy.js'
import { parseOutboundUrl } from '../network/outbound-url.js'
import { notFound, type Problem } from '../problems/problem.js'
import { ownHeaders } from './own-headers.js'
import { HEADERS_ID, seal } from './sealed-secrets.js'
import type { Sealer } from './sealer.js'
import { makeSigningSecret } from './signing-secret.js'
import { DEFAULT_IN_FLIGHT, type WebhookId } from './webhook.js'
import type { CreatedWebhook, NewWebhook, WebhookChanges, WebhookDocument } from './webhook-document.js'
import { selectWebhook } from './webhook-list.js'
import { invalidMember, problemOf } from './webhook-problem.js'
import * as rows from './webhook-rows.js'

/** Required by the row of a consumer. Only pull consumers use it; a webhook waits as long as its sender does. */
const ACK_TIMEOUT_MS = 30_000

export interface WebhookAdministration {
  readonly database: Database
  readonly sealer: Sealer
  readonly policy: NetworkPolicy
}

/**
 * @throws {Problem} 400 for a URL, header, filter or start that is not valid; 404 without the stream; 409 `too-many-webhooks`; 410 for
 *   a start that the log does not have.
 */
export async function createWebhook(
  { database, sealer, policy }: WebhookAdministration,
  origin: Origin,
  given: NewWebhook,
): Promise<CreatedWebhook> {
  const { stream = FEED, start = 'now', enabled = true } = given
  const endpoint = settingsOf(given, policy)
  const headers = ownHeaders(given.headers ?? {})
  assertFilter(given)
  const place = parsePlaceName('start', start)
  const id = randomUUID() as ConsumerId
  return await administer(database, origin, async client => {
    const streamId = await streamOf(client, origin.workspace, stream)
    const consumer = await insertConsumer(client, origin.workspace, {
      id,
      kind: 'webhook',
      name: id,
      stream,
      streamId,
      types: given.types ?? null,
      where: given.where ?? null,
      description: given.description ?? null,
      ackTimeoutMs: ACK_TIMEOUT_MS,
      maxInFlight: given.max_in_flight ?? DEFAULT_IN_FLIGHT,
      cursor: await resolvePlace(client, streamId, place),
      active: enabled,
      createdBy: origin.principal ?? 'unknown',
    })
    if (!consumer) throw new Error('The consumer of the webhook was not stored.')
    await rows.insertWebhook(client, consumer, endpoint)
    const { secret } = await makeSigningSecret(client, sealer, origin.workspace, id, 0)
    await storeHeaders(client, sealer, origin.workspace, id, headers)
    await recordAudit(client, {
      ...origin,
      action: 'webhook.created',
      details: { webhook: id, stream, enabled, ...detailsOf(endpoint) },
    })
    return { ...(await selectExisting(client, origin.workspace, id)), secret }
  })
}

/**
 * Changes the settings. The stream, the cursor and the state stay. The deliverer uses the new settings within
 * a second or two.
 * @throws {Problem} 404 `not-found`, and as `createWebhook`.
 */
export async function changeWebhook(
  { database, sealer, policy }: WebhookAdministration,
  origin: Origin,
  id: WebhookId,
  changes: WebhookChanges,
): Promise<WebhookDocument> {
  const { workspace } = origin
  const headers = changes.headers && ownHeaders(changes.headers)
  return await administer(database, origin, async client => {
    const before = await rows.lockWebhook(client, workspace, id)
    const consumer = await readConsumer(client, id)
    if (!before || !consumer) throw notFound('webhook')
    const filter = {
      types: changedOr(changes.types, consumer.types),
      where: changedOr(changes.where, consumer.where),
    }
    assertFilter(filter)
    const endpoint = settingsOf(changes, policy, before)
    const isElsewhere = new URL(endpoint.url).origin !== new URL(before.url).origin
    if (isElsewhere && before.headerNames.length > 0 && !headers) throw headersOfAnother(before.host)
    await rows.updateWebhook(client, workspace, id, endpoint)
    await changeConsumer(client, workspace, id, {
      ...consumer,
      ...filter,
      description: changedOr(changes.description, consumer.description),
      maxInFlight: changes.max_in_flight ?? consumer.maxInFlight,
    })
    if (headers) await storeHeaders(client, sealer, workspace, id, headers)
    const details = { webhook: id, changed: Object.keys(changes).sort(), ...detailsOf(endpoint) }
    await recordAudit(client, { ...origin, action: 'webhook.changed', details })
    return await selectExisting(client, workspace, id)
  })
}

/** Deletes a webhook with its attempts and dead letters. @throws {Problem} 404 `not-found`. */
export async function deleteWebhook(database: Database, origin: Origin, id: WebhookId): Promise<void> {
  await administer(database, origin, async client => {
    const before = await rows.lockWebhook(client, origin.workspace, id)
    if (!before || !(await removeConsumer(client, origin.workspace, id))) throw notFound('webhook')
    const details = { webhook: id, url_host: before.host }
    await recordAudit(client, { ...origin, action: 'webhook.deleted', details })
  })
}

export async function selectExisting(
  client: WorkspaceClient,
  workspace: string,
  id: WebhookId,
): Promise<WebhookDocument> {
  const found = await selectWebhook(client, workspace, id)
  if (!found) throw notFound('webhook')
  return found
}

/** Runs work in a transaction of the workspace; refusals of the database become problems. */
export async function administer<T>(
  database: Database,
  { workspace }: Origin,
  work: (client: WorkspaceClient) => Promise<T>,
): Promise<T> {
  return await inWorkspace(database, workspace, work).catch(error => {
    throw problemOf(error)
  })
}

/** Everybody may wait for the first event of the feed; another stream must exist. */
async function streamOf(client: WorkspaceClient, workspace: string, name: string): Promise<StreamId> {
  if (name === FEED) return await ensureStream(client, workspace, name)
  const stream = await findStream(client, workspace, name)
  if (!stream) throw notFound('stream')
  return stream.id
}

function settingsOf(
  given: WebhookChanges,
  policy: NetworkPolicy,
  before?: rows.EndpointSettings,
): rows.EndpointSettings {
  const url = given.url === undefined ? undefined : parseOutboundUrl(given.url, policy)
  if (url && 'fault' in url) throw invalidMember('url', url.fault)
  return {
    url: url?.url.href ?? before?.url ?? '',
    host: url?.url.host ?? before?.host ?? '',
    form: given.form ?? before?.form ?? 'standard',
    order: given.order ?? before?.order ?? 'ordered',
    onExhausted: given.on_exhausted ?? before?.onExhausted ?? 'pause',
    headerNames: given.headers ? Object.keys(ownHeaders(given.headers)) : (before?.headerNames ?? []),
  }
}

function detailsOf({ host, form, order, onExhausted, headerNames }: rows.EndpointSettings) {
  return { url_host: host, form, order, on_exhausted: onExhausted, header_names: headerNames }
}

/** Otherwise an admin could have the values of headers, which are shown to nobody, sent to a server of their own. */
function headersOfAnother(host: string): Problem {
  const fault = `The headers of the webhook are for ${host}. Send \`headers\` with the new \`url\`, or {} for none.`
  return invalidMember('headers', fault)
}

/** @throws {Problem} 400 `invalid-types` or `invalid-where`. */
function assertFilter({
  types,
  where,
}: {
  types?: string | null | undefined
  where?: string | null | undefined
}): void {
  EventFilter.of({ types: types ?? undefined, where: where ?? undefined })
}

async function storeHeaders(
  client: WorkspaceClient,
  sealer: Sealer,
  workspace: string,
  id: WebhookId,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const isEmpty = Object.keys(headers).length === 0
  const sealed = isEmpty ? undefined : seal(sealer, id, HEADERS_ID, JSON.stringify(headers))
  await rows.replaceHeaders(client, workspace, id, HEADERS_ID, sealed)
}

/** Undefined leaves the value as it was. */
function changedOr<T>(changed: T | undefined, before: T): T {
  return changed === undefined ? before : changed
}
