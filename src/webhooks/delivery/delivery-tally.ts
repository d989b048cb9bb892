/** The work of this process's deliverer since it started: plain numbers, which the metrics read. */
import { Distribution } from '../../metrics/distribution.js'
import type { EventTracing } from '../../tracing/event-tracing.js'
import type { AttemptRecord } from '../delivery-records.js'
import type { Message } from '../sending/message.js'
import type { Outcome as SendResult } from '../sending/outcome.js'

export class DeliveryTally {
  /** Attempts, by outcome; `held-back` and `aborted` are no attempts. */
  readonly outcomes = { delivered: 0, failed: 0, dead: 0, 'held-back': 0, aborted: 0 }
  /** From the beginning of a request to the end of its answer. */
  readonly duration = new Distribution()
  /** From the time of an event to the end of its first attempt that succeeded. */
  readonly delay = new Distribution()
  /** How far the database's clock is ahead of this process's, in ms: the times of events are the database's. */
  clockAheadMs = () => 0
  /** Endpoints that were claimed, and leases that were lost. */
  claimed = 0
  lost = 0
  /** Undefined: the process takes part in no traces. */
  tracing: EventTracing | undefined

  /** @param startedAt of performance.now(). */
  sent(message: Message, result: SendResult, startedAt: number, attempt: number): void {
    if (result.kind === 'held-back' || result.kind === 'aborted') {
      this.outcomes[result.kind] += 1
      return
    }
    this.duration.observe(result.milliseconds / 1_000)
    const status = result.kind === 'answered' ? result.status : 0
    if (status >= 200 && status < 300)
      this.delay.observe((Date.now() + this.clockAheadMs() - message.at.getTime()) / 1_000)
    this.tracing?.step('webhook', [message], startedAt, {
      'sluice.attempt': attempt,
      'http.response.status_code': status,
    })
  }

  settled({ outcome }: AttemptRecord): void {
    this.outcomes[outcome] += 1
  }
}
