/** The work of the tailer since the process started: plain numbers, which the metrics read (plugins/metrics.ts). */
import { type StoredEvent, WAYS } from '../log/event.js'
import { Distribution } from '../metrics/distribution.js'
import type { EventTracing } from '../tracing/event-tracing.js'
import type { TailedStream } from './tailed-stream.js'
import { WayCounts } from './way-counts.js'

export class TailerTally {
  /** Reads of the log, and the events that they brought. */
  reads = 0
  readonly read = new WayCounts([...WAYS, 'unknown'])
  /** Events that this process has committed, whether anybody follows their streams here or not. */
  readonly published = new WayCounts(['http', 'engine', 'item', 'runner'])
  /** Wakes that arrived from other processes. */
  wakes = 0
  /** Events of followed streams that arrived with wakes: those that needed no read, and those that the tailer reads instead. */
  readonly carried = { taken: 0, read: 0 }
  readonly wakeToRead = new Distribution()
  /** Undefined: the process takes part in no traces. */
  tracing: EventTracing | undefined
  /** When each stream that waits to be read was woken, in the order of waking. */
  #woken = new Map<TailedStream, number>()
  /** The same for the streams that are being read. */
  #reading: ReadonlyMap<TailedStream, number> = new Map()
  #readSince = 0
  #readAt = Number.NEGATIVE_INFINITY

  /** A stream was woken; it is not read yet. */
  woken(stream: TailedStream): void {
    if (!this.#woken.has(stream)) this.#woken.set(stream, performance.now())
  }

  /** Runs a read of all woken streams. */
  async timed(read: () => Promise<void>): Promise<void> {
    this.#reading = this.#woken
    this.#woken = new Map()
    const [wokenAt] = this.#reading.values()
    const startedAt = performance.now()
    this.#readSince = wokenAt ?? startedAt
    try {
      await read()
    } finally {
      this.#reading = new Map()
    }
    this.reads += 1
    this.#readAt = startedAt
    if (wokenAt !== undefined) this.wakeToRead.observe((performance.now() - wokenAt) / 1_000)
  }

  /** Milliseconds since the last successful read was sent. */
  get readAgeMs(): number {
    return performance.now() - this.#readAt
  }

  /** The read under way has brought new events of one stream. */
  brought(events: readonly StoredEvent[]): void {
    for (const { way } of events) this.read.add(way, 1)
    this.tracing?.step('read', events, this.#readSince)
  }

  /** The streams that were woken and are not read yet, each with the time for which it has waited, in ms. */
  get waiting(): { readonly stream: TailedStream; readonly ms: number }[] {
    const now = performance.now()
    return [...this.#reading, ...this.#woken].map(([stream, since]) => ({ stream, ms: now - since }))
  }
}
