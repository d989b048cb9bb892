/**
 * Stores the notes that requests leave in memory, in batches and on a timer, so that no request waits for the database. One
 * write runs at a time.
 */
import { PeriodicLoop, type PeriodicLoopOptions } from './periodic-loop.js'

export interface BatchedWritesOptions<Batch> extends Omit<PeriodicLoopOptions, 'turn'> {
  /** Takes the notes that wait to be stored; undefined if there are none. */
  take(): Batch | undefined
  store(batch: Batch): Promise<void>
  /** Takes back a batch that could not be stored, for the next write. Default: the batch is dropped. */
  putBack?(batch: Batch): void
}

export class BatchedWrites<Batch> {
  readonly #options: BatchedWritesOptions<Batch>
  readonly #loop: PeriodicLoop

  constructor(options: BatchedWritesOptions<Batch>) {
    this.#options = options
    this.#loop = new PeriodicLoop({ ...options, turn: () => this.#write() })
  }

  start(): void {
    this.#loop.start()
  }

  /** Writes now; joins the running write if there is one. Never rejects. */
  flush(): Promise<void> {
    return this.#loop.run()
  }

  /** Stops the timer and waits for the running write; what is left is dropped. */
  async abandon(): Promise<void> {
    await this.#loop.close()
  }

  /** Stops the timer and writes what is left. The database must still be open. */
  async close(): Promise<void> {
    await this.#loop.close()
    await this.#loop.run()
  }

  async #write(): Promise<void> {
    const { take, store, putBack } = this.#options
    const batch = take()
    if (batch === undefined) return
    try {
      await store(batch)
    } catch (error) {
      putBack?.(batch)
      throw error
    }
  }
}
