/** Flags of Node for each of several workers. */
import { availableParallelism } from 'node:os'

/** The threads on which V8 collects garbage and compiles, beside the one of the gateway: four by default, whatever the machine. */
const THREADS = '--v8-pool-size'
const DEFAULT_THREADS = 4

/**
 * All threads of all workers share the processors, and a worker delivers nothing while others collect garbage on its processor. So each
 * gets as many as leave one processor to every worker, at least one and at most V8's default.
 * @param flags of the command line of this process.
 * @param all those, and the ones in NODE_OPTIONS, which the workers inherit (src/process/node-flags.ts). A size among them stays.
 */
export function workerFlags(
  workers: number,
  flags: readonly string[],
  all: string,
  processors = availableParallelism(),
): string[] {
  if (all.replaceAll('_', '-').includes(THREADS)) return [...flags]
  const threads = Math.min(DEFAULT_THREADS, Math.max(1, Math.floor(processors / workers) - 1))
  return [...flags, `${THREADS}=${threads}`]
}
