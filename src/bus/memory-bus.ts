/**
 * A bus within one process: buses that share a channel wake each other, and carry each other's events. A bus with a channel of
 * its own reaches no other, so the events of other processes are found by the poll alone; this is the bus for `BUS_NOTIFY=off`.
 */
import type { Committed } from '../log/committed.js'
import type { StreamId } from '../log/event.js'
import type { Bus, BusStatus, Wake } from './bus.js'

interface Listening {
  onWake(wake: Wake): void
  onCommitted(committed: readonly Committed[]): void
}

export type MemoryChannel = Set<Listening>

export class MemoryBus implements Bus {
  readonly kind = 'memory'
  readonly #channel: MemoryChannel
  readonly #shared: boolean
  #listening: Listening | undefined
  #closed = false

  constructor(channel?: MemoryChannel) {
    this.#channel = channel ?? new Set()
    this.#shared = channel !== undefined
  }

  get status(): BusStatus {
    return this.#shared && this.#listening ? 'listening' : 'off'
  }

  async start(
    onWake: (wake: Wake) => void,
    onCommitted = (committed: readonly Committed[]) => onWake(committed.map(({ streamId }) => streamId)),
  ): Promise<void> {
    if (this.#closed) return
    this.#listening = { onWake, onCommitted }
    this.#channel.add(this.#listening)
    onWake('all')
  }

  wake(streams: readonly StreamId[]): void {
    this.#tell(listening => listening.onWake(streams))
  }

  announce(committed: readonly Committed[]): void {
    this.#tell(listening => listening.onCommitted(committed))
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#listening) this.#channel.delete(this.#listening)
    this.#listening = undefined
  }

  #tell(what: (listening: Listening) => void): void {
    for (const listening of this.#channel) {
      if (listening !== this.#listening) queueMicrotask(() => this.#channel.has(listening) && what(listening))
    }
  }
}
