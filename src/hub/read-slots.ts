/**
 * The reads of pages that run at a time: a few, so that catching up never starves the tailer or the publishers. Others wait in line
 * without a deadline, so a read that nobody wants any more when it is its turn is left out: its clients have gone, and their next
 * requests wait behind it.
 */
import limit from 'p-limit'
import type { IsWanted } from './shared-reads.js'

const READERS = 4
/** Fewer than READERS, so that clients with many different filters leave readers to all others. */
const FILTERED_READERS = 2

export const always: IsWanted = () => true

export class ReadSlots {
  readonly #all = limit(READERS)
  readonly #filtering = limit(FILTERED_READERS)

  /** Runs a read when a reader is free for it. @returns undefined if nobody wants it any more by then. */
  run<T>(read: () => Promise<T>, isWanted: IsWanted): Promise<T | undefined> {
    return this.#all(async () => (isWanted() ? await read() : undefined))
  }

  /** `run` for a read that filters. */
  filtering<T>(read: () => Promise<T>, isWanted: IsWanted): Promise<T | undefined> {
    return this.#filtering(async () => (isWanted() ? await this.run(read, isWanted) : undefined))
  }
}
