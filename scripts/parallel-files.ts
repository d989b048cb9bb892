/**
 * How many test files run at a time. Some only compute, others mostly wait for deadlines, networks and processes, so a fixed number leaves
 * processors idle in one part of a run and overloads them in another. One more file starts while processors are idle.
 */
import { availableParallelism, cpus } from 'node:os'
import pLimit from 'p-limit'

/** Long enough for a file that has just started to show what it needs. */
const LOOK_MS = 1_000
/** Processors that were idle since the last look, on average, for which one more file starts. */
const ENOUGH_IDLE = 0.5

export interface Limits {
  /** So many run in any case. */
  readonly least: number
  /** More never run: files that only waited may all begin to compute. */
  readonly most: number
  /** How many processors were idle since the last call, on average. Default: those of this machine. */
  readonly idleProcessors?: () => number
  /** Between two looks. */
  readonly lookMs?: number
}

/** Calls `act` with each file, in their order. Resolves when all have ended. @throws the first rejection of `act`. */
export async function inParallel<File>(
  files: readonly File[],
  { least, most, idleProcessors = idleSinceLastCall(), lookMs = LOOK_MS }: Limits,
  act: (file: File) => Promise<void>,
): Promise<void> {
  const limit = pLimit(least)
  const look = () => {
    if (idleProcessors() >= ENOUGH_IDLE) limit.concurrency = Math.min(most, limit.activeCount + 1)
    looking = setTimeout(look, lookMs)
  }
  let looking = setTimeout(look, lookMs)
  try {
    await limit.map(files, async file => {
      try {
        await act(file)
      } finally {
        // Only the next look lets another one take the place of an additional file.
        limit.concurrency = least
      }
    })
  } finally {
    clearTimeout(looking)
    limit.clearQueue()
  }
}

function idleSinceLastCall(): () => number {
  let before = idleMs()
  let at = performance.now()
  return () => {
    const [idle, now] = [idleMs(), performance.now()]
    const processors = (idle - before) / (now - at)
    before = idle
    at = now
    return processors
  }
}

/** 0 where this process may use only some of the processors: it does not know which of them are idle. */
function idleMs(): number {
  const all = cpus()
  return all.length === availableParallelism() ? all.reduce((sum, { times }) => sum + times.idle, 0) : 0
}
