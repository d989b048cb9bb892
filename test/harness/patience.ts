/**
 * How long tests wait before they give up. Every deadline of a test is made here, from what it would be on a quiet machine:
 * times TEST_PATIENCE, times the load. A deadline decides nothing but when a test stops looking for a fact.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'

/** However loaded the machine is, a test that hangs ends some time. */
const LARGEST_LOAD = 8
const LOOK_AT_LOAD_MS = 1_000
const GIVEN = Number(process.env.TEST_PATIENCE || 1)
if (!(GIVEN > 0)) throw new Error('TEST_PATIENCE must be a number above 0, such as 3.')

// Taken now, because a test may put its own in place of them.
const { setTimeout, clearTimeout } = globalThis
const now = performance.now.bind(performance)

/** What a wait of `ms` on a quiet machine may take here and now, in whole milliseconds: child_process takes no others. */
export function patient(ms: number): number {
  return Math.ceil(ms * GIVEN * Math.min(Math.max(1, load() / availableParallelism()), LARGEST_LOAD))
}

/** Calls `act` when patience with something that takes `ms` at most has ended. @returns what calls it off. */
export function afterPatience(ms: number, act: () => void, { keepsAlive = true } = {}): () => void {
  const start = now()
  let most = 0
  let timer: NodeJS.Timeout | undefined
  // The load may have risen meanwhile, and the average of it says so late: the longest patience counts.
  const look = () => {
    most = Math.max(most, patient(ms))
    const left = most - (now() - start)
    if (left <= 0) return act()
    timer = setTimeout(look, Math.min(left, LOOK_AT_LOAD_MS))
    if (!keepsAlive) timer.unref()
  }
  look()
  return () => clearTimeout(timer)
}

/** The promise, or a rejection with the complaint when it takes longer than `ms` should. */
export async function within<T>(ms: number, promise: Promise<T>, complaint: () => string): Promise<T> {
  let callOff: (() => void) | undefined
  const late = new Promise<never>((_, reject) => {
    callOff = afterPatience(ms, () => reject(new Error(complaint())))
  })
  return await Promise.race([promise, late]).finally(callOff)
}

/** Aborts when patience with something that takes `ms` at most has ended. It keeps no process alive. */
export function patienceSignal(ms: number): AbortSignal {
  const controller = new AbortController()
  const late = () => controller.abort(new DOMException(`Not within ${ms} ms.`, 'TimeoutError'))
  afterPatience(ms, late, { keepsAlive: false })
  return controller.signal
}

/** Processes that want a processor: on average over a minute, or at this moment where the system tells. */
function load(): number {
  const [average = 0] = loadavg()
  return Math.max(average, process.platform === 'linux' ? runnable() : 0)
}

function runnable(): number {
  return Number(/ (\d+)\//.exec(readFileSync('/proc/loadavg', 'utf8'))?.[1] ?? 0)
}
