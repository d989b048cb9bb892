/** A request of a webhook, as its receiver got it: read by docs/webhooks.md alone, checked for its signatures, and recorded. */
import type { IncomingHttpHeaders } from 'node:http'
import { Webhook } from 'standardwebhooks'
import type { RecordedWebhook } from './work-recorder.js'

export interface WebhookRequest {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Before the data of a CloudEvent in its JSON form, which has it last. */
const DATA = ',"data":'

/**
 * Records a request that has arrived.
 *
 * @param secrets each of which signs every request
 * @returns to be called just before it is answered with 2xx
 */
export function recordRequest(
  record: RecordedWebhook,
  request: WebhookRequest,
  secrets: readonly string[],
): () => void {
  const { headers, body } = request
  const { type, content } = contentOf(request)
  if (type === 'sluice.reset') {
    const message = JSON.parse(body)
    const { reason, continues_after } = isBinary(headers) ? message : message.data
    record.redirected(reason, continues_after)
    return () => undefined
  }
  const id = String(headers['sluice-event-id'])
  const text = `${headers['webhook-id']} ${id} ${content}`
  return record.delivered({ id, type, text, isSigned: secrets.every(each => isSignedWith(each, request)) })
}

/** A CloudEvent of which the body is the data. */
function isBinary(headers: IncomingHttpHeaders): boolean {
  return headers['ce-type'] !== undefined
}

/** Of our own form the whole body; of a CloudEvent its type and its data. */
function contentOf({ headers, body }: WebhookRequest): { type: string; content: string } {
  if (isBinary(headers)) return { type: String(headers['ce-type']), content: `${headers['ce-type']} ${body}` }
  const { type } = JSON.parse(body) as { type: string }
  return headers['content-type'] === 'application/cloudevents+json'
    ? { type, content: `${type} ${body.slice(body.indexOf(DATA) + DATA.length, -1)}` }
    : { type, content: body }
}

export function isSignedWith(secret: string, { headers, body }: WebhookRequest): boolean {
  const at = new Date(Number(headers['webhook-timestamp']) * 1_000)
  const signature = new Webhook(secret).sign(String(headers['webhook-id']), at, body)
  return String(headers['webhook-signature']).split(' ').includes(signature)
}
