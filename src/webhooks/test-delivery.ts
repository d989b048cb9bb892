/**
 * Sends a test to the receiver of a webhook now: a message that is no event of the log, in the same form and with the
 * same secrets as its events.
 */
import { randomUUID } from 'node:crypto'
import { type Origin, recordAudit } from '../audit/audit.js'
import { type Database, inTransaction } from '../database/pool.js'
import { inWorkspace } from '../database/workspace.js'
import { notFound, unavailable } from '../problems/problem.js'
import type { Attempt } from './attempt-document.js'
import { attemptDocument } from './attempts.js'
import { type AttemptRecord, attemptId, recordDeliveries } from './delivery-records.js'
import { readEndpoints } from './endpoint-rows.js'
import type { Sealer } from './sealer.js'
import { requestOf } from './sending/message.js'
import type { Answer, Failure } from './sending/outcome.js'
import type { Sender } from './sending/sender.js'
import type { WebhookId } from './webhook.js'
import { selectExisting } from './webhook-administration.js'
import { secretsUnreadable } from './webhook-problem.js'

export interface TestServices {
  readonly database: Database
  readonly sealer: Sealer
  readonly sender: Pick<Sender, 'send'>
  /** The CloudEvents `source` of a stream. */
  readonly source: (workspace: string, stream: string) => string
}

/**
 * Sends in any state of the webhook, and whatever the circuit breakers say. The attempt is stored with the
 * others.
 * @param signal aborts the request, as when the caller has gone.
 * @throws {Problem} 404 `not-found`; 409 `secrets-unreadable`; 503 if the process stops meanwhile.
 */
export async function testWebhook(
  { database, sealer, sender, source }: TestServices,
  origin: Origin,
  id: WebhookId,
  signal: AbortSignal,
): Promise<Attempt> {
  const { workspace } = origin
  // Checked in the workspace of the caller first, because the next reads are not limited to a workspace.
  const { state } = await inWorkspace(database, workspace, client => selectExisting(client, workspace, id))
  const endpoint = (await readEndpoints(database, sealer, [id])).get(id)?.endpoint
  if (!endpoint) throw notFound('webhook')
  if (endpoint.secrets.length === 0) throw secretsUnreadable()
  const at = new Date()
  const data = { webhook_id: id, stream: endpoint.stream, state }
  const message = { eventId: randomUUID(), at, type: 'webhook.test', data: JSON.stringify(data) }
  const request = requestOf(endpoint, message, { attempt: 1, source: source(workspace, endpoint.stream) })
  const outcome = await sender.send({ ...request, isTest: true, signal })
  if (outcome.kind === 'held-back' || outcome.kind === 'aborted') {
    // The receiver may have got it.
    await inWorkspace(database, workspace, client =>
      recordAudit(client, {
        ...origin,
        action: 'webhook.tested',
        details: { webhook: id, outcome: 'aborted' },
      }),
    )
    throw unavailable('shutting-down', 'The test was cut off. Send it again.', 1)
  }
  const { status, error, answer, milliseconds } = resultOf(outcome)
  const record = {
    webhook: id,
    id: attemptId(at),
    position: undefined,
    eventId: message.eventId,
    type: message.type,
    attempt: 1,
    at,
    outcome: error === undefined ? 'delivered' : 'failed',
    status,
    milliseconds,
    error,
    answer,
    nextTryAt: undefined,
    lane: 'test',
  } satisfies AttemptRecord
  await inTransaction(database, async client => {
    await recordDeliveries(client, { attempts: [record], changes: [] })
    const details = { webhook: id, outcome: record.outcome, status: status ?? null }
    await recordAudit(client, { ...origin, action: 'webhook.tested', details })
  })
  return attemptDocument({
    ...record,
    position: null,
    status: status ?? null,
    error: error ?? null,
    answer: answer ?? null,
    nextTryAt: null,
  })
}

function resultOf(
  outcome: Answer | Failure,
): Pick<AttemptRecord, 'status' | 'error' | 'answer' | 'milliseconds'> {
  const { milliseconds } = outcome
  if (outcome.kind === 'failed') {
    const { error, detail } = outcome
    return { status: undefined, answer: undefined, error: `${error}: ${detail}`, milliseconds }
  }
  const { status, answer } = outcome
  return { status, answer, milliseconds, error: errorOf(status) }
}

function errorOf(status: number): string | undefined {
  if (status >= 200 && status < 300) return undefined
  return status >= 300 && status < 400 ? 'redirect' : 'status'
}
