/** When a failed wake is sent again: after 1 s, then twice as long each time, up to 60 s, spread by 20 % (protocol §7.1). */
import type { Outcome } from '../../webhooks/sending/outcome.js'

const FIRST_MS = 1_000
const LONGEST_MS = 60_000
const SPREAD = 0.2

/**
 * In milliseconds.
 * @param failures in a row before this one.
 */
export function retryPauseMs(outcome: Outcome, failures: number, random: () => number = Math.random): number {
  // The process ends: another one takes the wake.
  if (outcome.kind === 'aborted') return 0
  if (outcome.kind === 'held-back') {
    return Math.round(Math.min(LONGEST_MS, Math.max(0, outcome.untilMs - Date.now())))
  }
  const pauseMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 30))
  const spread = pauseMs * (1 - SPREAD + 2 * SPREAD * random())
  const asked = outcome.kind === 'answered' ? (outcome.retryAfterMs ?? 0) : 0
  return Math.round(Math.max(spread, Math.min(asked, LONGEST_MS)))
}
