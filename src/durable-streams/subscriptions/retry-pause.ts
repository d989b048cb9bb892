/** When a failed wake is sent again: after 1 s, then twice as long each time, up to 60 s, spread by 20 % (protocol §7.1). */
import { RetrySchedule } from '../../webhooks/delivery/retry-schedule.js'
import type { Outcome } from '../../webhooks/sending/outcome.js'

const LONGEST_MS = 60_000
/** The last one is repeated. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, LONGEST_MS]

/**
 * In milliseconds.
 * @param failures in a row before this one.
 */
export function retryPauseMs(outcome: Outcome, failures: number, random?: () => number): number {
  // The process ends: another one takes the wake.
  if (outcome.kind === 'aborted') return 0
  if (outcome.kind === 'held-back') {
    return Math.round(Math.min(LONGEST_MS, Math.max(0, outcome.untilMs - Date.now())))
  }
  const asked = outcome.kind === 'answered' ? outcome.retryAfterMs : undefined
  const schedule = new RetrySchedule({ pausesMs: PAUSES_MS, random })
  return schedule.pauseAfter(Math.min(failures + 1, PAUSES_MS.length), asked) ?? LONGEST_MS
}
