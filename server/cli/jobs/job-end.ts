/** The end of a job as an exit code: that of its command, or one that says why there is none (examples/README.md). */
import { type CommandEnd, commandExit } from '../../../src/jobs/dialects/command-exit.js'
import type { Output } from '../terminal.js'

/** The command never started. */
const NEVER_STARTED = 125
/** The gateway refused the request or could not be reached. */
export const NOT_ASKED = 126

const ENDS = ['job.completed', 'job.failed', 'job.cancelled', 'job.aborted', 'job.interrupted']

/** Whether this is the last event of a job, after which its stream may stay open. */
export function isJobEnd(type: string): boolean {
  return ENDS.includes(type)
}

/** Says on standard error why a command ended otherwise than by itself. @returns the exit code. */
export async function endOf(end: CommandEnd, err: Output): Promise<number> {
  const exit = commandExit(end)
  if (!exit.started) {
    await err.line(`sluice: ${exit.message}`)
    return NEVER_STARTED
  }
  const why = exit.why.reason ?? exit.why.signal
  if (why !== undefined) await err.line(`sluice: the job ended: ${why}`)
  return exit.code
}
