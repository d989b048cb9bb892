/** Whether the client for whom something is read is still there. */

export interface Presence {
  /** Aborts when the client has gone; default: it stays. Not read before `hasGone`, unless something is waited for. */
  readonly gone?: AbortSignal | undefined
  /** Whether the client has gone. Default: whether `gone` has aborted. */
  readonly hasGone?: boolean
}

export function hasGone(presence: Presence): boolean {
  return presence.hasGone ?? presence.gone?.aborted ?? false
}

/** @throws the reason of `gone`. */
export function throwIfGone(presence: Presence): void {
  if (hasGone(presence)) presence.gone?.throwIfAborted()
}
