/**
 * The ends of the streams that a tailer reads: a stream was deleted, or it was closed and its last event has arrived. A read finds the
 * second, after any wake (log/tails.ts). For the first, and for what was missed, the log is asked: about all streams at each poll, and at
 * once about a stream that this process has closed or deleted. If the last event of a closed stream has not arrived yet, the next read
 * ends the stream. A stream that counts as closed here and is open in the log is open again.
 */
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import { type Ended, findEnded } from '../log/history.js'
import type { TailedStream } from './tailed-stream.js'

export class StreamEnds {
  readonly #streams: ReadonlyMap<StreamId, TailedStream>
  readonly #unfollow: (stream: TailedStream) => void
  #asked = new Set<StreamId>()
  #all = false

  constructor(streams: ReadonlyMap<StreamId, TailedStream>, unfollow: (stream: TailedStream) => void) {
    this.#streams = streams
    this.#unfollow = unfollow
  }

  /** This stream may have ended, or any of them: looks when the tailer is woken next. */
  expect(id?: StreamId): void {
    if (id === undefined) this.#all = true
    else this.#asked.add(id)
  }

  /** The stream was deleted. It is unfollowed here, so the tailer does not look for its rows again and again. */
  deleted(id: StreamId): void {
    const stream = this.#streams.get(id)
    if (!stream) return
    this.#unfollow(stream)
    stream.onDeleted()
  }

  /** Ends the streams that were deleted. @returns what ends the closed ones, to be called after a read. */
  async find(database: Database): Promise<() => void> {
    const { ids, ended } = await this.#look(database)
    for (const { id, end } of ended) if (end === null) this.deleted(id)
    this.#reopen(ids, ended)
    return () => {
      for (const { id, end } of ended) {
        const stream = this.#streams.get(id)
        if (stream && end !== null && stream.head.position >= end) stream.onClosed?.()
      }
    }
  }

  /** A stream that was closed after the log was asked is closed again by the next read of it. */
  #reopen(ids: readonly StreamId[], ended: readonly Ended[]): void {
    const over = new Set(ended.map(({ id }) => id))
    for (const id of ids) {
      const stream = this.#streams.get(id)
      if (stream?.closed && !over.has(id)) stream.closed = false
    }
  }

  /** What is expected meanwhile is looked up next; after a failure, what was expected before is too. */
  async #look(database: Database): Promise<{ readonly ids: StreamId[]; readonly ended: Ended[] }> {
    const [all, asked] = [this.#all, this.#asked]
    this.#all = false
    this.#asked = new Set()
    const ids = all ? [...this.#streams.keys()] : [...asked]
    try {
      return { ids, ended: ids.length > 0 ? await findEnded(database, ids) : [] }
    } catch (error) {
      this.#all ||= all
      for (const id of asked) this.#asked.add(id)
      throw error
    }
  }
}
