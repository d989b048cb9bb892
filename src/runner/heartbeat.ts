/**
 * Keeps the lease of a job, and learns by it that the job is not ours any more: it was cancelled, or the lease was lost
 * while this process was frozen or the gateway away.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { isPassing, retryAfterMs } from './retry.js'

/** A cancelled command must be ended within a second. Far below a third of the shortest lease, 5 s. */
const HEARTBEAT_MS = 700

export interface HeartbeatOptions {
  /** One heartbeat. */
  beat(): Promise<void>
  /** The gateway refused it for good. Called once; no heartbeat follows. */
  onRefused(error: unknown): void
  /** Ends the heartbeats. */
  readonly signal: AbortSignal
}

/**
 * Beats until it is refused or ended. While the gateway is away it goes on: the lease may be there still when the
 * gateway is back, and only the gateway can tell.
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

/** False when the signal came first. */
async function elapsed(ms: number, signal: AbortSignal): Promise<boolean> {
  return await pause(ms, true, { signal }).catch(() => false)
}
