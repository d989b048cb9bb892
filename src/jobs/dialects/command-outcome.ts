/**
 * How a command ended, for the clients of remote commands. They read `exit_code` and `duration_ms` of `complete`, which a
 * command that has started always gets; an end without an exit code gets one as a shell would give it. `error` is the end of
 * a command that has never started.
 */
import { constants } from 'node:os'
import type { SseMessage } from '../../sse/frame.js'
import { type Ending, named } from './dialect.js'

/** A shell reports the end by signal n as 128 + n. */
const SIGNAL_BASE = 128
const NUMBERS: Readonly<Record<string, number>> = constants.signals
/** As `timeout` of the GNU coreutils reports it. */
const TIMED_OUT = 124
const CANCELLED = SIGNAL_BASE + constants.signals.SIGTERM
/** As ssh reports a lost connection. */
const INTERRUPTED = 255
const FAILED = 1
/** Of a command that waited for too long after its runner had handed it back (migrations/0023_queue_age.sql). */
const EXPIRED = 'expired'

/** @param ranMs the duration of the last attempt, for a result that does not say it. */
export function outcomeOf({ status, result, attempt, redacted }: Ending, ranMs: number): SseMessage {
  const { exit_code, signal, timed_out, error, reason } = redacted ? {} : (result ?? {})
  const duration_ms = countIn(result?.duration_ms) ?? ranMs
  const complete = (code: number, why: { reason?: string; signal?: string } = {}) =>
    named('complete', { exit_code: code, duration_ms, ...why, ...(redacted && { redacted }) })

  if (attempt === 0) return named('error', { message: notStarted(status, error) })
  if (status === 'cancelled' || status === 'aborted') return complete(CANCELLED, { reason: status })
  if (status === 'interrupted')
    return complete(INTERRUPTED, { reason: reason === EXPIRED ? EXPIRED : 'interrupted' })
  if (timed_out === true) return complete(TIMED_OUT, { reason: 'timeout' })
  if (typeof signal === 'string') return complete(SIGNAL_BASE + (NUMBERS[signal] ?? 0), { signal })
  const code = Number.isSafeInteger(exit_code) ? Number(exit_code) : undefined
  if (status === 'completed') return complete(code ?? 0)
  if (code !== undefined && code !== 0) return complete(code)
  if (code === undefined && typeof error === 'string') return named('error', { message: error })
  return complete(FAILED, { reason: 'failed' })
}

/** @param error of the result: no runner claimed the command in time. */
function notStarted(status: Ending['status'], error: unknown): string {
  if (status === 'cancelled' || status === 'aborted') return `The command was ${status} before it started.`
  return typeof error === 'string' ? error : 'The command was never started.'
}

function countIn(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined
}
