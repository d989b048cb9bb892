/**
 * Posts events to the server of a developer by the code that posts them to a webhook: the same headers, the same body, the same
 * signature. It differs in what it may reach: any address, over http too, as the system finds it, and without circuit breakers.
 */
import { createHmac } from 'node:crypto'
import { promises } from 'node:dns'
import type { FeedEvent } from '../../../clients/typescript/src/events.js'
import { parseRange } from '../../../src/network/address-range.js'
import { Breakers } from '../../../src/network/circuit-breaker.js'
import { parseOutboundUrl } from '../../../src/network/outbound-url.js'
import { UsageError } from '../../../src/process/usage.js'
import { type MessageForm, requestOf, type Target } from '../../../src/webhooks/sending/message.js'
import type { Outcome } from '../../../src/webhooks/sending/outcome.js'
import { createSender, type Sender } from '../../../src/webhooks/sending/sender.js'
import { secretBytes } from '../../../src/webhooks/sending/signature.js'
import type { Parse } from '../option.js'
import { dataText } from '../tail/event-line.js'

const EVERYWHERE = ['0.0.0.0/0', '::/0'].flatMap(range => parseRange(range) ?? [])
const POLICY = { allowed: EVERYWHERE, httpsOnly: false }
/** The header `sluice-webhook`, which holds the id of a webhook. */
const NAME = 'listen'

export const localUrl: Parse<string> = (given, name) => {
  const parsed = parseOutboundUrl(given, POLICY)
  if ('url' in parsed) return parsed.url.href
  throw new UsageError(`${name}: ${parsed.fault.replace('https://host/path', 'http://localhost:3000/hook')}`)
}

export const signingSecret: Parse<string> = (given, name) => {
  if (secretBytes(given)) return given
  throw new UsageError(`${name} must be whsec_ and 24 to 64 bytes in base64.`)
}

/** A secret that belongs to a credential: the same one every time, from which nobody can compute the credential. */
export function secretOf(token: string): string {
  return `whsec_${createHmac('sha256', token).update('sluice webhook listen').digest('base64')}`
}

export interface LocalSenderOptions {
  readonly url: string
  readonly secret: string
  readonly stream: string
  readonly form: MessageForm
  /** The attributes of an event that was published as a CloudEvent; undefined: those that every event has. */
  readonly attributesOf: (event: FeedEvent) => Promise<string | undefined>
  /** The time limit of the whole request, in milliseconds. */
  readonly timeoutMs: number
  /** Cuts the request that is under way. */
  readonly signal: AbortSignal
}

export class LocalSender {
  readonly #options: LocalSenderOptions
  readonly #target: Target
  readonly #sender: Sender

  constructor(options: LocalSenderOptions) {
    const { url, secret, stream, form, timeoutMs } = options
    this.#options = options
    this.#target = {
      id: NAME,
      workspace: '',
      stream,
      url,
      form,
      headers: {},
      secrets: [secret],
    }
    // The system resolves the name, as for every program on this machine: name servers may not know `localhost`.
    const addresses = {
      find: (name: string) => promises.lookup(name, { all: true, order: 'verbatim' as const }),
    }
    this.#sender = createSender({ policy: POLICY, addresses, breakers: new Breakers(), timeoutMs })
  }

  /** One POST. @returns its outcome, and what was posted. */
  async post(event: FeedEvent, attempt: number): Promise<Outcome & { readonly body: string }> {
    const { attributesOf, signal } = this.#options
    const message = messageOf(event, await attributesOf(event))
    const request = requestOf(this.#target, message, { attempt, source: '' })
    const outcome = await this.#sender.send({ ...request, isTest: true, signal })
    return { ...outcome, body: request.body.toString() }
  }

  close(): Promise<void> {
    return this.#sender.close()
  }
}

/** @param event of a feed with `envelope`. */
function messageOf(event: FeedEvent, attributes: string | undefined) {
  const { id, type, at = '', event_id: eventId = '', traceparent } = event
  return {
    id,
    eventId,
    type,
    at: new Date(at),
    data: dataText(event),
    ...(attributes !== undefined && { attributes }),
    ...(traceparent !== undefined && { traceparent }),
  }
}
