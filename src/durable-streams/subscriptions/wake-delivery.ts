/** The request for one wake of a webhook, and its outcome (protocol §7.1). */
import type { Database } from '../../database/pool.js'
import type { StreamId } from '../../log/event.js'
import { packageVersion } from '../../process/package-version.js'
import type { Sender } from '../../webhooks/sending/sender.js'
import { noteAttempt, type TakenWake } from './growth-rows.js'
import { retryPauseMs } from './retry-pause.js'
import type { WokenStream } from './subscription.js'
import { snapshotStream } from './subscription-document.js'
import { selectWoken, settle } from './subscription-rows.js'
import type { WakeTokens } from './wake-tokens.js'
import type { WebhookKeys } from './webhook-keys.js'

export interface WakeSender {
  readonly database: Database
  readonly sender: Pick<Sender, 'send'>
  readonly keys: WebhookKeys
  readonly tokens: WakeTokens
  /** Default Math.random. */
  readonly random?: (() => number) | undefined
}

export interface Delivered {
  /** Whether another wake is due at once. */
  readonly nextWake: boolean
  /** Streams that were acknowledged. */
  readonly streams: readonly StreamId[]
}

const NOTHING: Delivered = { nextWake: false, streams: [] }

/**
 * Sends the request and stores its outcome, fenced by the wake: an answer after the end of the lease changes nothing.
 * @param signal aborts the request when the process ends. Another process then sends the wake at once.
 */
export async function deliverWake(
  { database, sender, keys, tokens, random }: WakeSender,
  wake: TakenWake,
  signal: AbortSignal,
): Promise<Delivered> {
  const snapshot = await selectWoken(database, wake.uid)
  if (snapshot.length === 0) return await acknowledged(database, wake, [])
  const body = Buffer.from(JSON.stringify(bodyOf(wake, snapshot, tokens)))
  const outcome = await sender.send({
    url: wake.url,
    workspace: wake.workspace,
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': `Sluice/${packageVersion()}`,
      'webhook-signature': keys.signatureOf(body, Math.floor(Date.now() / 1_000)),
    },
    signal,
  })
  if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300) {
    if (saysDone(outcome.answer)) return await acknowledged(database, wake, snapshot)
    await noteAttempt(database, wake, undefined, true)
    return NOTHING
  }
  const counts = outcome.kind === 'answered' || outcome.kind === 'failed'
  await noteAttempt(database, wake, retryPauseMs(outcome, wake.failures, random), counts)
  return NOTHING
}

async function acknowledged(
  database: Database,
  wake: TakenWake,
  snapshot: readonly WokenStream[],
): Promise<Delivered> {
  const acks = snapshot.map(({ path, tail }) => ({ path, position: tail }))
  const { nextWake, streamIds } = await settle(database, wake, acks, true)
  return { nextWake, streams: streamIds ?? [] }
}

function bodyOf(wake: TakenWake, snapshot: readonly WokenStream[], tokens: WakeTokens) {
  const { uid, workspace, id, generation, wakeId, baseUrl } = wake
  return {
    subscription_id: id,
    wake_id: wakeId,
    generation,
    streams: snapshot.map(snapshotStream),
    callback_url: `${baseUrl}/__ds/subscriptions/${id}/callback`,
    callback_token: tokens.mint({ use: 'callback', uid, generation, workspace }),
  }
}

/** Only the first 1 KiB of the answer is known, so a longer one is no `done`. */
function saysDone(answer: string): boolean {
  try {
    const value: unknown = JSON.parse(answer)
    return typeof value === 'object' && value !== null && 'done' in value && value.done === true
  } catch {
    return false
  }
}
