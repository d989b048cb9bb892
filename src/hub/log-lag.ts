/** How far a process is behind the log. */
import type { Tailer } from './tailer.js'

/** The lag in ms: for how long reads have failed, or, if that is longer, a woken stream has waited to be read. 0: up to date. */
export function logLagMs({ failingSince, tally }: Pick<Tailer, 'failingSince' | 'tally'>): number {
  const failing = failingSince === undefined ? 0 : Date.now() - failingSince
  return tally.waiting.reduce((longest, { ms }) => Math.max(longest, ms), failing)
}
