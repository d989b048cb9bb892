/**
 * Drops stored events from the memory of this process when they were changed in the log: their data was redacted. Each change is
 * an event of a system stream, appended by the transaction of the change, so it arrives without NOTIFY too, within 5 s.
 *
 * A process that cannot continue that stream drops everything, because it may have missed a change. The message always arrives
 * with a read that began after the COMMIT of the change, so everything that is read later is as the log has it now. What was
 * read or committed before, and arrives later, is recognised: by the tailer (stale-events.ts), by the pages, and by
 * subscriptions, which write no frames of an earlier edition of their stream.
 */
import Type from 'typebox'
import Value from 'typebox/value'
import type { Database } from '../database/pool.js'
import type { Position, StoredEvent, StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import type { Pages } from './pages.js'
import { SystemStream } from './system-stream.js'
import type { Tailer } from './tailer.js'

/** The name of that stream in the system workspace; SQL knows it and its kind too (sluice.announce_changes). */
const STREAM = 'changed-events'
/** A kind of its own: its events are messages, not state, and are removed after a day. */
const KIND = 'changes'
export const CHANGES_KEPT_DAYS = { [KIND]: 1 }

const Change = Type.Object({ stream: Type.Integer(), up_to: Type.Integer() })

export interface ChangedEventsOptions {
  readonly database: Database
  readonly tailer: Tailer
  readonly pages: Pick<Pages, 'forget'>
  readonly logger: Logger
  /** Wakes this process and the others. */
  onCommitted(streams: readonly StreamId[]): void
}

export class ChangedEvents {
  readonly #options: Pick<ChangedEventsOptions, 'tailer' | 'pages' | 'onCommitted'>
  readonly #stream: SystemStream
  /** The UUID of the last change that was applied. */
  #last: string | undefined

  constructor(options: ChangedEventsOptions) {
    this.#options = options
    this.#stream = new SystemStream({
      ...options,
      name: STREAM,
      kind: KIND,
      load: last => this.#load(last),
      receive: events => this.#receive(events),
    })
  }

  /** Wakes the processes after a change of events in a stream of the log; without it, they find the change with their poll. */
  wake(changed: StreamId): void {
    const { id } = this.#stream
    this.#options.onCommitted(id === undefined ? [changed] : [changed, id])
  }

  start(): Promise<void> {
    return this.#stream.start()
  }

  close(): void {
    this.#stream.close()
  }

  #load(last: StoredEvent | undefined): void {
    // After most outages nothing was missed.
    if (last && last.eventId === this.#last) return
    this.#last = last?.eventId
    this.#forget('all')
  }

  #receive(events: readonly StoredEvent[]): void {
    this.#last = events.at(-1)?.eventId
    for (const { data } of events) {
      const change: unknown = JSON.parse(data)
      if (Value.Check(Change, change)) this.#forget(change.stream as StreamId, change.up_to as Position)
      // A newer version has sent it.
      else this.#forget('all')
    }
  }

  #forget(changed: StreamId | 'all', upTo?: Position): void {
    this.#options.pages.forget(changed)
    this.#options.tailer.forget(changed, upTo)
  }
}
