/**
 * The request for one message to one endpoint, in one of three forms: the body of Standard Webhooks, a CloudEvent in structured mode
 * (https://github.com/cloudevents/spec, http-protocol-binding.md, §3.2) and one in binary mode (§3.1). The data is the stored text, never
 * parsed and written again. The signature covers the body, whatever its form, so in binary mode it does not cover the attributes.
 */

import { packageVersion } from '../../process/package-version.js'
import { type CloudEventContent, cloudEventParts, cloudEventText } from '../../sse/cloudevents.js'
import { binaryMode, type Content } from './binary-mode.js'
import type { SendRequest } from './sender.js'
import { signatureOf } from './signature.js'

export const MESSAGE_FORMS = ['standard', 'cloudevents', 'cloudevents-binary'] as const
export type MessageForm = (typeof MESSAGE_FORMS)[number]

/** An event of the log, or a message of Sluice outside of it, such as a test. */
export interface Message extends CloudEventContent {
  /** The event id, or the cursor that a message outside of the log carries; undefined: it has none. */
  readonly id?: string | undefined
}

/** An endpoint as sending sees it. */
export interface Target {
  readonly id: string
  readonly workspace: string
  readonly stream: string
  readonly url: string
  readonly form: MessageForm
  /** The headers of the endpoint, which headerFault has accepted. */
  readonly headers: Readonly<Record<string, string>>
  /** The secrets that sign, at least one. */
  readonly secrets: readonly string[]
}

export interface MessageContext {
  /** 1 for the first attempt. */
  readonly attempt: number
  /** The CloudEvents `source` of events that were not published as CloudEvents. */
  readonly source: string
  /** The time of the attempt, in milliseconds since 1970. Default now. */
  readonly now?: number
}

/** @throws {Error} if a secret of the endpoint is not valid; the message does not contain it. */
export function requestOf(target: Target, message: Message, context: MessageContext): SendRequest {
  const { headers, body } = contentOf(target.form, message, context.source)
  const id = message.eventId
  const timestamp = Math.floor((context.now ?? Date.now()) / 1_000)
  return {
    url: target.url,
    workspace: target.workspace,
    body,
    headers: {
      ...lowerCased(target.headers),
      ...headers,
      ...(message.traceparent && { traceparent: message.traceparent }),
      'user-agent': `Sluice/${packageVersion()}`,
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatureOf(target.secrets, { id, timestamp, body }),
      'sluice-webhook': target.id,
      'sluice-stream': target.stream,
      'sluice-attempt': String(context.attempt),
      ...(message.id !== undefined && { 'sluice-event-id': message.id }),
    },
  }
}

function contentOf(form: MessageForm, message: Message, source: string): Content {
  if (form === 'standard') return content('application/json', standardBody(message))
  const parts = cloudEventParts(message, source, message.id)
  const structured = () => content('application/cloudevents+json', cloudEventText(parts))
  return (form === 'cloudevents-binary' && binaryMode(parts)) || structured()
}

function standardBody({ type, at, data }: Message): string {
  return `{"type":${JSON.stringify(type)},"timestamp":"${at.toISOString()}","data":${data}}`
}

function content(mediaType: string, text: string): Content {
  return { headers: { 'content-type': mediaType }, body: Buffer.from(text) }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
