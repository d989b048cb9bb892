/**
 * A bus within one process: buses that share a channel wake each other. A bus with a channel of its own reaches no other,
 * so the events of other processes are found by the poll alone; this is the bus for `BUS_NOTIFY=off`.
 */
import type { StreamId } from '../log/event.js'
import type { Bus, BusStatus, Wake } from './bus.js'

export type MemoryChannel = Set<(wake: Wake) => void>

export class MemoryBus implements Bus {
  readonly #channel: MemoryChannel
  readonly #shared: boolean
  #onWake: ((wake: Wake) => void) | undefined
  #closed = false

  constructor(channel?: MemoryChannel) {
    this.#channel = channel ?? new Set()
    this.#shared = channel !== undefined
  }

  get status(): BusStatus {
    return this.#shared && this.#onWake ? 'listening' : 'off'
  }

  async start(onWake: (wake: Wake) => void): Promise<void> {
    if (this.#closed) return
    this.#onWake = onWake
    this.#channel.add(onWake)
    onWake('all')
  }

  wake(streams: readonly StreamId[]): void {
    for (const listener of this.#channel) {
      if (listener !== this.#onWake) queueMicrotask(() => this.#channel.has(listener) && listener(streams))
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#onWake) this.#channel.delete(this.#onWake)
    this.#onWake = undefined
  }
}
