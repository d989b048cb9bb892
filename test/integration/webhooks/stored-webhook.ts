/** A webhook in the database, and a claim of it, for the tests of its rows. */
import { randomUUID } from 'node:crypto'
import type { Consumer, ConsumerId } from '../../../src/consumers/consumer.js'
import { insertConsumer } from '../../../src/consumers/consumer-creation.js'
import { claimConsumers } from '../../../src/consumers/consumer-rows.js'
import type { Database } from '../../../src/database/pool.js'
import { inWorkspace, type WorkspaceClient } from '../../../src/database/workspace.js'
import { ensureStream, readBounds } from '../../../src/log/log.js'
import { seal } from '../../../src/webhooks/sealed-secrets.js'
import { Sealer } from '../../../src/webhooks/sealer.js'
import type { WebhookId } from '../../../src/webhooks/webhook.js'
import * as rows from '../../../src/webhooks/webhook-rows.js'

export const SEALER = new Sealer(['a secret of thirty-two characters, or more'])
export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const NODE = randomUUID()

export interface StoredEndpoint {
  readonly url: string
  readonly stream?: string
  readonly types?: string
  readonly order?: 'ordered' | 'parallel'
  readonly maxInFlight?: number
  readonly onExhausted?: 'pause' | 'skip'
  readonly headerNames?: readonly string[]
  readonly active?: boolean
  /** Default: the head of its stream. */
  readonly from?: 'base' | 'head'
}

/** A webhook with its secret. */
export async function storeEndpoint(
  client: WorkspaceClient,
  workspace: string,
  endpoint: StoredEndpoint,
): Promise<WebhookId> {
  const { url, stream = 'feed', order = 'ordered', onExhausted = 'pause', headerNames = [] } = endpoint
  const id = randomUUID() as ConsumerId
  const streamId = await ensureStream(client, workspace, stream)
  const bounds = await readBounds(client, streamId)
  if (!bounds) throw new Error('no stream')
  const consumer = await insertConsumer(client, workspace, {
    id,
    kind: 'webhook',
    name: id,
    stream,
    streamId,
    types: endpoint.types ?? null,
    where: null,
    description: null,
    ackTimeoutMs: 30_000,
    maxInFlight: endpoint.maxInFlight ?? 10,
    cursor: bounds[endpoint.from ?? 'head'],
    active: endpoint.active ?? true,
    createdBy: 'ada',
  })
  if (!consumer) throw new Error('no consumer')
  const { host } = new URL(url)
  await rows.insertWebhook(client, consumer, { url, host, form: 'standard', order, onExhausted, headerNames })
  await rows.insertSigningSecret(client, workspace, id, 'first', seal(SEALER, id, 'first', SECRET), 0)
  return id
}

/** At the head of its stream, with a header; active unless it says so. */
export function storeWebhook(
  database: Database,
  workspace: string,
  settings: Pick<StoredEndpoint, 'stream' | 'active' | 'order'> = {},
): Promise<WebhookId> {
  return inWorkspace(database, workspace, async client => {
    const url = 'https://hooks.example.com/a?key=hidden'
    const id = await storeEndpoint(client, workspace, { ...settings, url, headerNames: ['authorization'] })
    const headers = seal(SEALER, id, 'headers', JSON.stringify({ authorization: 'Bearer hidden' }))
    await rows.replaceHeaders(client, workspace, id, 'headers', headers)
    return id
  })
}

export async function claim(database: Database, id: WebhookId): Promise<Consumer> {
  const claiming = {
    kind: 'webhook',
    node: NODE,
    holder: null,
    ids: [id],
    leaseMs: 10_000,
    takeover: true,
  } as const
  const [claimed] = await claimConsumers(database, claiming)
  if (!claimed) throw new Error('The webhook was not claimed.')
  return claimed
}
