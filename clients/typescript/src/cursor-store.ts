/** Where a feed keeps its cursor, so that a restarted application continues after the last event that it has processed. */

/**
 * A store for one cursor. The feed calls `load` once, when it starts, and `save` one call at a time: in the mode `at-least-once`
 * after the application has processed the event, in the mode `at-most-once` before it gets the event. If a call fails, the feed ends
 * with that error.
 */
export interface CursorStore {
  /** @returns the cursor that was saved last; undefined before the first. */
  load(): Promise<string | undefined>
  /** Must be durable when the promise resolves: the feed does not save a cursor twice. */
  save(id: string): Promise<void>
}

/**
 * A store that keeps the cursor beside the application's own data, so that each event has its effect exactly once.
 * Use it with `feed.each`.
 */
export interface TransactionStore<Transaction> {
  /** @returns the cursor that was committed last; undefined before the first. */
  load(): Promise<string | undefined>
  /**
   * Runs `work` and stores `id` in one transaction: both take effect, or neither. `work` does nothing if only the cursor has moved.
   * If it rejects, roll back and reject with the same error.
   */
  transaction(id: string, work: (transaction: Transaction) => Promise<void>): Promise<void>
}

/**
 * Makes the store of one feed, for storage that holds several cursors. The key names the gateway, the stream and the filter, because a
 * cursor means nothing in another stream, and passes over what the filter leaves out.
 */
export type CursorStores = (key: string) => CursorStore
