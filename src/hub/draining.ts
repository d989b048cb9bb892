/** Ends the subscriptions of a process that stops: a few at once, many in waves, so that other processes can take them. */
import { setTimeout as pause } from 'node:timers/promises'

export const WAVE_MS = 100
/** The time that each client adds to a shutdown. */
const MS_PER_CLIENT = 3

/**
 * Resolves when all have ended, after `longestMs` at most. A subscription that closes is removed from the set.
 * @param onHalf called once, with the number of ended subscriptions, when half of them have ended. Never called if there were
 *   none.
 */
export async function stopInWaves(
  subscriptions: ReadonlySet<{ stop(why: 'draining'): void }>,
  longestMs: number,
  onHalf?: (ended: number) => void,
): Promise<void> {
  const all = [...subscriptions]
  const size = waveOf(all.length, longestMs)
  const begun = performance.now()
  for (let first = 0; first < all.length && subscriptions.size > 0; first += size) {
    // By the clock: on a busy machine each pause is too long, and all of them together would exceed the time.
    if (first > 0) await pause(Math.max(0, begun + (first / size) * WAVE_MS - performance.now()))
    for (const subscription of all.slice(first, first + size)) subscription.stop('draining')
    const ended = Math.min(first + size, all.length)
    if (first * 2 < all.length && ended * 2 >= all.length) onHalf?.(ended)
  }
}

/** How many of so many clients end at a time, WAVE_MS apart. */
export function waveOf(clients: number, longestMs: number): number {
  const waves = Math.ceil(Math.min(longestMs, clients * MS_PER_CLIENT) / WAVE_MS) || 1
  return Math.ceil(clients / waves)
}
