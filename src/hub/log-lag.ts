/** How far a process is behind the log. */
import type { Tailer } from './tailer.js'

/** In ms: for how long reads have failed, or the stream that has waited longest has been woken and not read. 0: it is up to date. */
export function logLagMs({ failingSince, tally }: Pick<Tailer, 'failingSince' | 'tally'>): number {
  const failing = failingSince === undefined ? 0 : Date.now() - failingSince
  return tally.waiting.reduce((longest, { ms }) => Math.max(longest, ms), failing)
}
