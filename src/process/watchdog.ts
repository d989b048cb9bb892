/**
 * Notices when this process's event loop is blocked: nothing can be served then, and no timer of its own can say so. A thread of its own
 * watches a counter that a timer of the event loop raises (watchdog-thread.ts). Costs two timers of 2 Hz, and the memory of a thread.
 */
import { url as debuggerUrl } from 'node:inspector'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { packageRoot } from './package-root.js'
import { PeriodicLoop } from './periodic-loop.js'
import { PLACES, type WatchdogData } from './watchdog-data.js'

const THREAD = join(packageRoot, 'dist/src/process/watchdog-thread.js')
/** A block is noticed after this many ticks at least, so that one late turn of the thread is none. */
const TICKS = 4
const MIN_TICK_MS = 20
/** The thread holds a few kilobytes; without limits V8 would let its garbage grow to megabytes. */
const LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }

export interface WatchdogOptions {
  /** The event loop is blocked when it has not turned for this long, in milliseconds. */
  readonly blockMs: number
  /** After this time in milliseconds the thread ends the process with SIGKILL, so that its parent replaces it. 0: never. */
  readonly killMs: number
  /** Whether the thread writes lines to standard output, as JSON like the log. */
  readonly writes: boolean
  /** The thread has ended by itself. */
  readonly onError: (error: unknown) => void
}

export class Watchdog {
  readonly #shared = new Int32Array(new SharedArrayBuffer(PLACES.count * Int32Array.BYTES_PER_ELEMENT))
  readonly #thread: Worker
  readonly #beating: PeriodicLoop

  constructor({ onError, blockMs, ...options }: WatchdogOptions) {
    const tickMs = Math.max(MIN_TICK_MS, Math.round(blockMs / TICKS))
    const turn = () => this.#beat()
    this.#beating = new PeriodicLoop({ name: 'Beating for the watchdog', everyMs: tickMs, turn }).start()
    const workerData: WatchdogData = { ...options, blockMs, tickMs, shared: this.#shared }
    // Neither the flags nor the variables of the process: they may load programs that are meant for it alone.
    this.#thread = new Worker(THREAD, { workerData, execArgv: [], env: {}, resourceLimits: LIMITS })
    this.#thread.unref()
    this.#thread.on('error', onError)
  }

  /** How often the event loop was blocked, a block that lasts included. */
  get blocks(): number {
    return Atomics.load(this.#shared, PLACES.blocks)
  }

  /** For how long in all, in milliseconds. */
  get blockedMs(): number {
    return Atomics.load(this.#shared, PLACES.blockedMs)
  }

  /** Closing twice is fine. */
  async close(): Promise<void> {
    this.#beating.stop()
    await this.#thread.terminate()
  }

  #beat(): void {
    Atomics.add(this.#shared, PLACES.beats, 1)
    // A breakpoint is no fault.
    Atomics.store(this.#shared, PLACES.debugged, debuggerUrl() === undefined ? 0 : 1)
  }
}
