/** How a command ended: an end without an exit code gets one as a shell would give it. */
import { constants } from 'node:os'

/** A shell reports the end by signal n as 128 + n. */
const SIGNAL_BASE = 128
const NUMBERS: Readonly<Record<string, number>> = constants.signals
/** As `timeout` of the GNU coreutils reports it. */
const TIMED_OUT = 124
const CANCELLED = SIGNAL_BASE + constants.signals.SIGTERM
/** As ssh reports a lost connection. */
const INTERRUPTED = 255
const FAILED = 1
/** The error of a command that waited for too long after its runner had handed it back (migrations/0023_queue_age.sql). */
const EXPIRED = 'expired'

/** The end of a job, as its last event or the job itself has it. */
export interface CommandEnd {
  readonly status: string
  readonly result: Readonly<Record<string, unknown>> | null
  /** Undefined if the event does not say it. */
  readonly attempt: number | undefined
}

export type CommandExit =
  | { readonly started: true; readonly code: number; readonly why: { reason?: string; signal?: string } }
  /** The command has no exit code, because it never ran. */
  | { readonly started: false; readonly message: string }

export function commandExit({ status, result, attempt }: CommandEnd): CommandExit {
  const { exit_code, signal, timed_out, error, reason } = result ?? {}
  const ended = (code: number, why: { reason?: string; signal?: string } = {}) =>
    ({ started: true, code, why }) as const

  if (attempt === 0) return { started: false, message: notStarted(status, error) }
  if (status === 'cancelled' || status === 'aborted') return ended(CANCELLED, { reason: status })
  if (status === 'interrupted')
    return ended(INTERRUPTED, { reason: reason === EXPIRED ? EXPIRED : 'interrupted' })
  if (timed_out === true) return ended(TIMED_OUT, { reason: 'timeout' })
  if (typeof signal === 'string') return ended(SIGNAL_BASE + (NUMBERS[signal] ?? 0), { signal })
  const code = Number.isSafeInteger(exit_code) ? Number(exit_code) : undefined
  if (status === 'completed') return ended(code ?? 0)
  if (code !== undefined && code !== 0) return ended(code)
  if (code === undefined && typeof error === 'string') return { started: false, message: error }
  return ended(FAILED, { reason: 'failed' })
}

/** @param error of the result: no runner claimed the command in time. */
function notStarted(status: string, error: unknown): string {
  if (status === 'cancelled' || status === 'aborted') return `The command was ${status} before it started.`
  return typeof error === 'string' ? error : 'The command was never started.'
}
