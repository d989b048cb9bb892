/** What the tailer has done since the process started: plain numbers, which the metrics read (plugins/metrics.ts). */
import type { StoredEvent } from '../log/event.js'
import { Distribution } from '../metrics/distribution.js'
import type { EventTracing } from '../tracing/event-tracing.js'

export class TailerTally {
  /** Reads of the log, and the events that they brought. */
  reads = 0
  read = 0
  /** Events that this process has committed, whether anybody follows their streams here or not. */
  published = 0
  /** Wakes that arrived from other processes. */
  wakes = 0
  readonly wakeToRead = new Distribution()
  /** Undefined: the process takes part in no traces. */
  tracing: EventTracing | undefined
  #wokenAt: number | undefined
  /** When the streams that are being read were woken. */
  #readSince = 0

  /** A stream was woken; it is not read yet. */
  woken(): void {
    this.#wokenAt ??= performance.now()
  }

  /** Runs a read of all woken streams. */
  async timed(read: () => Promise<void>): Promise<void> {
    const wokenAt = this.#wokenAt
    this.#wokenAt = undefined
    this.#readSince = wokenAt ?? performance.now()
    await read()
    this.reads += 1
    if (wokenAt !== undefined) this.wakeToRead.observe((performance.now() - wokenAt) / 1_000)
  }

  /** The read under way has brought new events of one stream. */
  brought(events: readonly StoredEvent[]): void {
    this.read += events.length
    this.tracing?.step('read', events, this.#readSince)
  }

  /** For how long the oldest of the woken streams has waited for its read to begin, in ms. */
  get waitingMs(): number {
    return this.#wokenAt === undefined ? 0 : performance.now() - this.#wokenAt
  }
}
