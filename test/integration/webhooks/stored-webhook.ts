/** A webhook in the database, and a claim of it, for the tests of its rows. */
import { randomUUID } from 'node:crypto'
import type { Consumer, ConsumerId } from '../../../src/consumers/consumer.js'
import { insertConsumer } from '../../../src/consumers/consumer-creation.js'
import { claimConsumers } from '../../../src/consumers/consumer-rows.js'
import type { Database } from '../../../src/database/pool.js'
import { inWorkspace } from '../../../src/database/workspace.js'
import { ensureStream, readHead } from '../../../src/log/log.js'
import { seal } from '../../../src/webhooks/sealed-secrets.js'
import { Sealer } from '../../../src/webhooks/sealer.js'
import type { WebhookId } from '../../../src/webhooks/webhook.js'
import * as rows from '../../../src/webhooks/webhook-rows.js'

export const SEALER = new Sealer(['a secret of thirty-two characters, or more'])
export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const NODE = randomUUID()

/** At the head of its stream; active unless it says so. */
export async function storeWebhook(
  database: Database,
  workspace: string,
  { stream = 'feed', active = true, order = 'ordered' as 'ordered' | 'parallel' } = {},
): Promise<WebhookId> {
  const id = randomUUID() as ConsumerId
  await inWorkspace(database, workspace, async client => {
    const streamId = await ensureStream(client, workspace, stream)
    const consumer = await insertConsumer(client, workspace, {
      id,
      kind: 'webhook',
      name: id,
      stream,
      streamId,
      types: null,
      where: null,
      description: null,
      ackTimeoutMs: 30_000,
      maxInFlight: 10,
      cursor: await readHead(client, streamId),
      active,
      createdBy: 'ada',
    })
    if (!consumer) throw new Error('no consumer')
    await rows.insertWebhook(client, consumer, {
      url: 'https://hooks.example.com/a?key=hidden',
      host: 'hooks.example.com',
      form: 'standard',
      order,
      onExhausted: 'pause',
      headerNames: ['authorization'],
    })
    await rows.insertSigningSecret(client, workspace, id, 'first', seal(SEALER, id, 'first', SECRET), 0)
    const headers = seal(SEALER, id, 'headers', JSON.stringify({ authorization: 'Bearer hidden' }))
    await rows.replaceHeaders(client, workspace, id, 'headers', headers)
  })
  return id
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
