/**
 * Keeps the lease of a job. A refused heartbeat tells the runner that it has lost the job: the job was cancelled, or the lease
 * expired while this process was frozen or the gateway was unreachable.
 */
import { elapsed } from '../process/deadline.js'
import { isPassing, retryAfterMs } from './retry.js'

/** A cancelled command must end within a second. Far below a third of the shortest lease, 5 s. */
const HEARTBEAT_MS = 700

export interface HeartbeatOptions {
  /** Sends one heartbeat. */
  beat(): Promise<void>
  /** The gateway refused a heartbeat for good. Called once; no heartbeat follows. */
  onRefused(error: unknown): void
  /** Ends the heartbeats. */
  readonly signal: AbortSignal
}

/**
 * Sends heartbeats until one is refused or `signal` aborts. It goes on while the gateway is unreachable: the lease may still
 * be ours when the gateway is back, and only the gateway knows.
 */
export async function keepLease({ beat, onRefused, signal }: HeartbeatOptions): Promise<void> {
  let waitMs = HEARTBEAT_MS
  while (await elapsed(waitMs, signal)) {
    try {
      await beat()
      waitMs = HEARTBEAT_MS
    } catch (error) {
      if (signal.aborted) return
      if (!isPassing(error)) return onRefused(error)
      waitMs = Math.max(HEARTBEAT_MS, retryAfterMs(error))
    }
  }
}
