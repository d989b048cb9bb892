/**
 * Bounded waits: for a time or a signal, for a signal or a deadline, for a result or either.
 */
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Waits `ms` milliseconds, or until `signal` aborts. Does not keep the process alive if `ref` is false (default true).
 * @returns whether the time has elapsed; false if the signal aborted first.
 */
export function elapsed(ms: number, signal?: AbortSignal, { ref = true } = {}): Promise<boolean> {
  return pause(ms, true, { ref, ...(signal && { signal }) }).catch(() => false)
}

/** Resolves when `signal` aborts, at once if it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

export interface Deadline {
  /** Aborts when the time is over, or together with the signal it was made from. */
  readonly signal: AbortSignal
  /** Aborts the signal, so that nothing listens to it any longer, and frees the timer. Must be called in the end. */
  release(): void
}

/**
 * A signal that aborts when `signal` does, and after `ms` milliseconds at the latest. Unlike `AbortSignal.any` it leaves
 * nothing behind on `signal`, which may be as old as the process.
 */
export function signalOrDeadline(signal: AbortSignal, ms: number): Deadline {
  const over = new AbortController()
  const release = () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', release)
    over.abort(signal.reason)
  }
  const timer = setTimeout(release, ms)
  signal.addEventListener('abort', release)
  if (signal.aborted) release()
  return { signal: over.signal, release }
}

/** The value of `result`, or undefined if that takes longer than `ms` milliseconds. Rejects if `result` does so first. */
export async function withinDeadline<T>(result: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>(resolve => {
    timer = setTimeout(resolve, ms, undefined)
  })
  return await Promise.race([result, late]).finally(() => clearTimeout(timer))
}

/** The value of `result`. Rejects if `result` does so first, and with the reason of `signal` if that aborts first. */
export async function untilAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
  })
  return await Promise.race([result, aborted]).finally(() => signal.removeEventListener('abort', abort))
}
