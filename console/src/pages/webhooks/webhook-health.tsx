/** The state of a webhook in words: whether it delivers, and if not, why. */
import type { WebhookDocument } from '../../../../src/webhooks/webhook-document.ts'
import { Badge, type Tone } from '../../pieces/badge.tsx'
import { Moment } from '../../pieces/moment.tsx'

export const REFRESH_MS = 5_000

/** Texts for the gateway's reasons. */
const REASONS: Readonly<Record<string, string>> = {
  'by-admin': 'by an admin',
  exhausted: 'an event was not accepted by the last attempt',
  gone: 'the receiver answered 410 Gone',
  'no-success': 'nothing has succeeded for days',
  'secret-unreadable': 'no key of this gateway opens its secret',
}

export function healthOf({ state, failing }: WebhookDocument): {
  readonly text: string
  readonly tone: Tone
} {
  if (state === 'paused') return { text: 'paused', tone: 'muted' }
  if (state === 'disabled') return { text: 'disabled', tone: 'red' }
  return failing === null ? { text: 'active', tone: 'green' } : { text: 'failing', tone: 'amber' }
}

/** The state as a badge, with the reason below it. */
export function Health({ webhook }: { webhook: WebhookDocument }) {
  const { state, state_reason, failing } = webhook
  return (
    <>
      <Badge {...healthOf(webhook)} />
      {state !== 'active' && state_reason !== null && (
        <span class="hint block">{REASONS[state_reason] ?? state_reason}</span>
      )}
      {failing !== null && (
        <span class="hint block">
          since <Moment at={failing.since} long />, {failing.error ?? `status ${failing.status}`}
        </span>
      )}
    </>
  )
}

/** The name of a webhook: its description, or the host and the path of its URL. */
export function nameOf({ description, url }: WebhookDocument): string {
  return description || url.replace(/^https?:\/\//, '')
}
