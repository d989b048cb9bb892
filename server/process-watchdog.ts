/** The watchdog of a gateway process, as it is configured. */
import type { Config } from '../src/config/config.js'
import { describeError } from '../src/logging/http-log.js'
import { printableJson } from '../src/logging/redaction.js'
import { Watchdog } from '../src/process/watchdog.js'

/**
 * Watches this process's event loop; undefined if that is switched off. A process that is no worker is only reported: whether another one
 * takes its place is for its supervisor to know.
 */
export function watchProcess(
  { WATCHDOG_MS: blockMs, STUCK_WORKER_MS, LOG_LEVEL }: Config,
  isWorker: boolean,
): Watchdog | undefined {
  if (blockMs === 0) return undefined
  const writes = !['error', 'fatal', 'silent'].includes(LOG_LEVEL)
  return new Watchdog({ blockMs, killMs: isWorker ? STUCK_WORKER_MS : 0, writes, onError: report })
}

function report(error: unknown): void {
  const fields = { level: 40, time: Date.now(), pid: process.pid, err: describeError(error) }
  const line = { ...fields, msg: 'The watchdog of the event loop has ended.' }
  process.stderr.write(`${printableJson(JSON.stringify(line))}\n`)
}
