/** Webhooks and their attempts as rows of a table for a terminal. */
import type { Attempt } from '../../../src/webhooks/attempt-document.js'
import type { WebhookDocument } from '../../../src/webhooks/webhook-document.js'

export const WEBHOOK_HEAD = [
  'ID',
  'STATE',
  'BEHIND',
  'LAST SUCCESS',
  'FAILING SINCE',
  'DEAD',
  'STREAM',
  'URL',
]
export const ATTEMPT_HEAD = [
  'ID',
  'AT',
  'OUTCOME',
  'STATUS',
  'MS',
  'TRY',
  'NEXT TRY',
  'EVENT',
  'TYPE',
  'ERROR',
]

export function webhookCells(webhook: WebhookDocument): string[] {
  const { id, state, state_reason, lag, last_success_at, failing, dead_letters, stream, url } = webhook
  return [
    id,
    state_reason === null || state === 'active' ? state : `${state} (${state_reason})`,
    String(lag.events),
    last_success_at === null ? 'never' : secondOf(last_success_at),
    failing === null ? '' : secondOf(failing.since),
    String(dead_letters),
    stream,
    url,
  ]
}

export function attemptCells(attempt: Attempt): string[] {
  const { id, at, outcome, status, milliseconds, next_try_at, event_id, type, error, replay, test } = attempt
  return [
    id,
    secondOf(at),
    `${outcome}${replay ? ' (replay)' : ''}${test ? ' (test)' : ''}`,
    status === null ? '' : String(status),
    milliseconds === null ? '' : String(milliseconds),
    String(attempt.attempt),
    next_try_at === null ? '' : secondOf(next_try_at),
    event_id ?? '',
    type,
    error ?? '',
  ]
}

/** `2026-11-21 09:14:07Z` */
function secondOf(time: string): string {
  return `${time.slice(0, 19).replace('T', ' ')}Z`
}
