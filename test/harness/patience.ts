/**
 * How long tests wait before they give up. Every deadline of a test is made here: its value for a quiet machine, times
 * TEST_PATIENCE, times the load. A deadline decides only when a test stops waiting for a fact.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'

/** A limit, so that a test that hangs ends even on an overloaded machine. */
const LARGEST_LOAD = 8
const LOOK_AT_LOAD_MS = 1_000
const GIVEN = Number(process.env.TEST_PATIENCE || 1)
if (!(GIVEN > 0)) throw new Error('TEST_PATIENCE must be a number above 0, such as 3.')

// Kept from now on, because a test may replace the global ones.
const { setTimeout, clearTimeout } = globalThis
const now = performance.now.bind(performance)

/** The deadline here and now for a wait of `ms` on a quiet machine, in whole milliseconds: child_process accepts no fractions. */
export function patient(ms: number): number {
  return Math.ceil(ms * GIVEN * Math.min(Math.max(1, load() / availableParallelism()), LARGEST_LOAD))
}

/**
 * Calls `act` when a wait of `ms` on a quiet machine has taken too long. While the process stands still, it does not wait.
 * @returns a function that cancels it.
 */
export function afterPatience(ms: number, act: () => void, { keepsAlive = true } = {}): () => void {
  let start = now()
  let due = start
  let most = 0
  let timer: NodeJS.Timeout | undefined
  // The load may have risen meanwhile, and its average follows late, so the longest deadline counts.
  const look = () => {
    start += Math.max(0, now() - due)
    most = Math.max(most, patient(ms))
    const left = most - (now() - start)
    if (left <= 0) return act()
    // Timers take whole milliseconds.
    const pause = Math.ceil(Math.min(left, LOOK_AT_LOAD_MS))
    due = now() + pause
    timer = setTimeout(look, pause)
    if (!keepsAlive) timer.unref()
  }
  look()
  return () => clearTimeout(timer)
}

/** The promise, or a rejection with the complaint if it takes too long for a wait of `ms` on a quiet machine. */
export async function within<T>(ms: number, promise: Promise<T>, complaint: () => string): Promise<T> {
  let callOff: (() => void) | undefined
  const late = new Promise<never>((_, reject) => {
    callOff = afterPatience(ms, () => reject(new Error(complaint())))
  })
  return await Promise.race([promise, late]).finally(callOff)
}

/** Aborts when a wait of `ms` on a quiet machine has taken too long. It keeps no process alive. */
export function patienceSignal(ms: number): AbortSignal {
  const controller = new AbortController()
  const late = () => controller.abort(new DOMException(`Not within ${ms} ms.`, 'TimeoutError'))
  afterPatience(ms, late, { keepsAlive: false })
  return controller.signal
}

/** Processes that are ready to run: the average over a minute, or the count at this moment on Linux, if that is larger. */
function load(): number {
  const [average = 0] = loadavg()
  return Math.max(average, process.platform === 'linux' ? runnable() : 0)
}

function runnable(): number {
  return Number(/ (\d+)\//.exec(readFileSync('/proc/loadavg', 'utf8'))?.[1] ?? 0)
}
