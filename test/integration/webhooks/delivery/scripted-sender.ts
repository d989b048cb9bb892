/** A sender without a network: it notes what would be sent, and answers as the test says. */

import type { Sender } from '../../../../src/webhooks/delivery/sender.js'
import type { Endpoint } from '../../../../src/webhooks/endpoint.js'
import type { Message } from '../../../../src/webhooks/sending/message.js'
import type { Outcome as SendResult } from '../../../../src/webhooks/sending/outcome.js'

export interface SentRequest {
  readonly webhook: string
  readonly url: string
  readonly message: Message
  readonly attempt: number
  readonly secrets: readonly string[]
  /** By which sender it was sent. */
  readonly by: ScriptedSender
}

export type { SendResult }
export type Script = (request: SentRequest) => SendResult | Promise<SendResult>

export const OK: SendResult = { kind: 'answered', status: 204, milliseconds: 1, answer: '' }

export function answer(status: number, retryAfterMs?: number): SendResult {
  return {
    kind: 'answered',
    status,
    milliseconds: 1,
    answer: `status ${status}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

export class ScriptedSender implements Sender {
  readonly requests: SentRequest[] = []
  script: Script = () => OK
  underWay = 0
  mostUnderWay = 0

  async send(
    endpoint: Endpoint,
    message: Message,
    attempt: number,
    signal: AbortSignal,
  ): Promise<SendResult> {
    const { id: webhook, url, secrets } = endpoint
    const request = { webhook, url, secrets, message, attempt, by: this }
    this.requests.push(request)
    this.underWay += 1
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay)
    let cut = () => {}
    const aborted = new Promise<SendResult>(resolve => {
      cut = () => resolve({ kind: 'aborted' })
    })
    signal.addEventListener('abort', cut)
    try {
      return await Promise.race([this.script(request), aborted])
    } finally {
      signal.removeEventListener('abort', cut)
      this.underWay -= 1
    }
  }

  /** What an endpoint got, as `<n of the event>` or `<n>#<attempt>` for a further attempt. */
  sentTo(webhook: string): string[] {
    return this.requests.filter(request => request.webhook === webhook).map(shortOf)
  }
}

export function shortOf({ message: { type, data }, attempt }: SentRequest): string {
  const { n } = JSON.parse(data) as { n?: number }
  return `${n ?? type}${attempt > 1 ? `#${attempt}` : ''}`
}
