/**
 * The destination of log lines: standard output. A full disk or pipe behind it costs lines, never the process: up to
 * a megabyte of lines wait, then lines are dropped until there is room again.
 */
import { type DestinationStream, destination } from 'pino'

const STANDARD_OUTPUT = 1
const MAX_WAITING_BYTES = 1024 * 1024

export function logDestination(): DestinationStream {
  const output = destination({ dest: STANDARD_OUTPUT, sync: true, maxLength: MAX_WAITING_BYTES })
  // ENOSPC, EIO: there is nowhere left to report it. The next line is attempted anyway.
  output.on('error', () => undefined)
  return output
}
