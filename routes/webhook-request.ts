/** Code that the routes of webhooks share. */
import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import type { WebhookId } from '../src/webhooks/webhook.js'
import type { WebhookAdministration } from '../src/webhooks/webhook-administration.js'
import { WebhookIdText } from '../src/webhooks/webhook-document.js'
import { notSetUp } from '../src/webhooks/webhook-problem.js'

export const WebhookParams = Type.Object({ id: Type.Unsafe<WebhookId>(WebhookIdText) })

/** Lets the deliverer of this process notice the changes that its own routes make at once; others do within a second or two. */
export function noticeChanges(app: FastifyInstance): void {
  app.addHook('onResponse', async ({ method }, { statusCode }) => {
    if (method !== 'GET' && method !== 'HEAD' && statusCode < 400) void app.deliverer?.look()
  })
}

/**
 * The services of routes that need the secrets of webhooks. @throws {Problem} 409 `webhooks-not-set-up` if this gateway
 * has no key for them.
 */
export function webhookServices({ database, webhooks }: FastifyInstance): WebhookAdministration {
  const { sealer, policy } = webhooks
  if (!sealer) throw notSetUp()
  return { database, sealer, policy }
}
