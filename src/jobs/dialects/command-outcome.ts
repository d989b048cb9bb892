/**
 * How a command ended, for the clients of remote commands. They read `exit_code` and `duration_ms` of `complete`, which a
 * command that has started always gets. `error` is the end of a command that has never started.
 */
import type { SseMessage } from '../../sse/frame.js'
import { commandExit } from './command-exit.js'
import { type Ending, named } from './dialect.js'

/** @param ranMs the duration of the last attempt, for a result that does not say it. */
export function outcomeOf({ status, result, attempt, redacted }: Ending, ranMs: number): SseMessage {
  const exit = commandExit({ status, result: redacted ? null : (result ?? null), attempt })
  if (!exit.started) return named('error', { message: exit.message })
  const duration_ms = countIn(result?.duration_ms) ?? ranMs
  return named('complete', { exit_code: exit.code, duration_ms, ...exit.why, ...(redacted && { redacted }) })
}

function countIn(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined
}
