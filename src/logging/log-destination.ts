/**
 * Where log lines go: the standard output. A disk or pipe behind it that takes no more costs lines, never the process: they
 * wait, up to a megabyte, then they are dropped until there is room again.
 */
import { type DestinationStream, destination } from 'pino'

const STANDARD_OUTPUT = 1
const MAX_WAITING_BYTES = 1024 * 1024

export function logDestination(): DestinationStream {
  const output = destination({ dest: STANDARD_OUTPUT, sync: true, maxLength: MAX_WAITING_BYTES })
  // ENOSPC, EIO: there is nowhere left to say it. The next line is tried all the same.
  output.on('error', () => undefined)
  return output
}
