/**
 * Between the tailer of this process and the bus: other processes learn of the events that are committed here, and the tailer of
 * those that are committed there. Every writer calls `announce` or `wake` after COMMIT.
 */
import type { Bus } from '../bus/bus.js'
import type { Committed } from '../log/committed.js'
import type { StreamId } from '../log/event.js'
import { CarriedEvents } from './carried-events.js'
import { EarlyEvents } from './early-events.js'
import type { Tailer } from './tailer.js'

/**
 * Learns which streams have grown, besides the tailer. It must neither throw nor wait. It must not rely on being
 * called, because a wake may be lost.
 * @param isOwn whether this process has committed the events.
 */
export type GrowthListener = (streams: readonly StreamId[], isOwn: boolean) => void

export class EventExchange {
  readonly listeners = new Set<GrowthListener>()
  readonly #tailer: Tailer
  readonly #bus: Bus
  readonly #early: EarlyEvents

  constructor(tailer: Tailer, bus: Bus) {
    this.#tailer = tailer
    this.#bus = bus
    this.#early = new EarlyEvents({ tailer, bus })
  }

  /** Starts the bus. */
  async start(): Promise<void> {
    const carried = new CarriedEvents(this.#tailer, this.#early)
    await this.#bus.start(
      wake => {
        this.#tailer.tally.wakes += 1
        this.#tailer.wake(wake)
        if (wake !== 'all') this.#tell(wake, false)
      },
      committed => {
        carried.take(committed)
        this.#tell(streamsOf(committed), false)
      },
    )
  }

  /** Wakes this process at once, then the others. */
  wake(streams: readonly StreamId[]): void {
    this.#tailer.wake(streams)
    this.#bus.wake(streams)
    this.#tell(streams, true)
  }

  /** As `wake`, for a caller that knows the events: this process need not read them, and others need not if the bus carries events. */
  announce(committed: readonly Committed[]): void {
    this.#early.take(committed)
    if (this.#bus.announce) this.#bus.announce(committed)
    else this.#bus.wake(streamsOf(committed))
    this.#tell(streamsOf(committed), true)
  }

  /** To be called when the tailer's connection is lost: the next one may lead to a database that lacks events. */
  connectionLost(): void {
    this.#bus.historyMayDiffer?.()
    this.#tailer.wake('all')
  }

  /** Passes on what still waits. The bus and the tailer stay open. */
  close(): void {
    this.#early.close()
  }

  #tell(streams: readonly StreamId[], isOwn: boolean): void {
    for (const listener of this.listeners) listener(streams, isOwn)
  }
}

function streamsOf(committed: readonly Committed[]): StreamId[] {
  return committed.map(({ streamId }) => streamId)
}
