/**
 * How many test files run at a time. Some only compute, others mostly wait for deadlines, networks and processes, so a fixed number leaves
 * processors idle in one part of a run and overloads them in another. One more file starts while processors are idle.
 */
import { availableParallelism, cpus } from 'node:os'

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
  const waiting = files.values()
  let running = 0
  let left = files.length
  let looking: NodeJS.Timeout | undefined
  const ended = new Promise<void>((resolve, reject) => {
    const begin = () => {
      const { value, done } = waiting.next()
      if (done) return
      running += 1
      act(value).then(() => {
        running -= 1
        left -= 1
        if (left === 0) resolve()
        else if (running < least) begin()
      }, reject)
    }
    if (left === 0) return resolve()
    const look = () => {
      if (idleProcessors() >= ENOUGH_IDLE && running < most) begin()
      looking = setTimeout(look, lookMs)
    }
    looking = setTimeout(look, lookMs)
    for (let n = 0; n < least; n += 1) begin()
  })
  await ended.finally(() => clearTimeout(looking))
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
