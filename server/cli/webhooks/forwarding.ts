/**
 * Posts one event after the other to a local server, and goes on to the next one only when an event is settled.
 *
 * sending ──▶ delivered: the server answered 2xx.
 *    ▲ │
 *    │ ├────▶ refused: it gave another answer, or none in time. Sent again after a pause that doubles from 1 s to 30 s, or after the
 *    │ │      server's Retry-After; or skipped, if the caller has chosen that.
 *    └─┴────▶ away: nobody takes the request. Sent again every second, however long it takes: a server that is being restarted
 *             misses nothing. It is no attempt, and is reported once.
 */
import type { FeedEvent } from '../../../clients/typescript/src/events.js'
import { elapsed } from '../../../src/process/deadline.js'
import type { Answer, Failure, Outcome } from '../../../src/webhooks/sending/outcome.js'

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000
const AWAY_PAUSE_MS = 1_000

export interface Attempted {
  readonly event: FeedEvent
  /** From 1 on. */
  readonly attempt: number
  readonly outcome: 'delivered' | 'failed' | 'skipped'
  readonly result: Answer | Failure
  /** What was posted. */
  readonly body: string
  /** Milliseconds until the next attempt; undefined: no further one. */
  readonly nextMs: number | undefined
}

export interface ForwardingOptions {
  /** One POST of an event. */
  readonly post: (event: FeedEvent, attempt: number) => Promise<Outcome & { readonly body: string }>
  /** After an answer that is not 2xx. */
  readonly onFailure: 'retry' | 'skip'
  /** Ends all waiting. */
  readonly signal: AbortSignal
  readonly onAttempt: (attempted: Attempted) => Promise<void>
  /** Called once for each outage of the server. @param reason a sentence. */
  readonly onAway: (reason: string) => Promise<void>
}

export class Forwarding {
  readonly #options: ForwardingOptions
  #isAway = false

  constructor(options: ForwardingOptions) {
    this.#options = options
  }

  /** @returns whether the event is settled; false if the signal aborted first. */
  async deliver(event: FeedEvent): Promise<boolean> {
    const { post, onAttempt, signal } = this.#options
    for (let attempt = 1; !signal.aborted; ) {
      const { body, ...result } = await post(event, attempt)
      if (signal.aborted) break
      if (result.kind !== 'answered' && result.kind !== 'failed') {
        throw new Error(`A request to a local server ended as ${result.kind}.`)
      }
      if (isAway(result)) {
        await this.#waitFor(result)
        continue
      }
      this.#isAway = false
      const judged = this.#judge(result, attempt)
      await onAttempt({ event, attempt, result, body, ...judged })
      if (judged.nextMs === undefined) return true
      await elapsed(judged.nextMs, signal)
      attempt += 1
    }
    return false
  }

  #judge(result: Answer | Failure, attempt: number): Pick<Attempted, 'outcome' | 'nextMs'> {
    const isAccepted = result.kind === 'answered' && result.status >= 200 && result.status < 300
    if (isAccepted) return { outcome: 'delivered', nextMs: undefined }
    if (this.#options.onFailure === 'skip') return { outcome: 'skipped', nextMs: undefined }
    const asked = result.kind === 'answered' ? (result.retryAfterMs ?? 0) : 0
    const nextMs = Math.min(LONGEST_PAUSE_MS, Math.max(asked, FIRST_PAUSE_MS * 2 ** (attempt - 1)))
    return { outcome: 'failed', nextMs }
  }

  async #waitFor({ detail }: Failure): Promise<void> {
    const { onAway, signal } = this.#options
    if (!this.#isAway) await onAway(detail)
    this.#isAway = true
    await elapsed(AWAY_PAUSE_MS, signal)
  }
}

/** The server does not run, is being restarted, or has ended during the request. */
function isAway(result: Answer | Failure): result is Failure {
  return result.kind === 'failed' && ['connect', 'dns', 'tls', 'reset'].includes(result.error)
}
