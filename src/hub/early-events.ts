/**
 * Committed events that arrive before their predecessors. Where a bus carries events, two processes that write to one stream announce
 * their events at the same time, so either may arrive first, here or in a third process. An early event waits for its predecessor for
 * 10 ms; then the tailer gets it as it is, and reads.
 *
 * Nothing waits while the bus is down or carries no events, or beyond 8 MiB.
 */
import type { Bus } from '../bus/bus.js'
import type { Committed } from '../log/committed.js'
import { charactersIn, type StreamId } from '../log/event.js'
import type { Tailer } from './tailer.js'

const WAIT_MS = 10
const MAX_CHARACTERS = 8 * 1024 * 1024

type Counts = Parameters<Tailer['take']>[1]

interface Early {
  readonly committed: Committed
  readonly counts: Counts
}

export interface EarlyEventsOptions {
  readonly tailer: Pick<Tailer, 'headOf' | 'take'>
  readonly bus: Pick<Bus, 'status' | 'announce'>
}

export class EarlyEvents {
  readonly #options: EarlyEventsOptions
  readonly #waiting = new Map<StreamId, { readonly events: Early[]; readonly timer: NodeJS.Timeout }>()
  #characters = 0

  constructor(options: EarlyEventsOptions) {
    this.#options = options
  }

  /** Takes events as `Tailer.take` does, in any order. */
  take(committed: readonly Committed[], counts?: Counts): void {
    const early = new Set(committed.filter(each => this.#isEarly(each)))
    this.#options.tailer.take(
      committed.filter(each => !early.has(each)),
      counts,
    )
    for (const each of early) this.#wait({ committed: each, counts })
    for (const { streamId } of committed) this.#follow(streamId)
  }

  close(): void {
    for (const id of [...this.#waiting.keys()]) this.#end(id)
  }

  #isEarly({ streamId, previous, events: [first] }: Committed): boolean {
    const { bus, tailer } = this.#options
    const head = tailer.headOf(streamId)
    if (!head || !first || previous === null || !bus.announce || bus.status !== 'listening') return false
    return first.position > head.position + 1 && this.#characters < MAX_CHARACTERS
  }

  #wait(early: Early): void {
    const { streamId } = early.committed
    const waiting = this.#waiting.get(streamId)
    this.#characters += charactersIn(early.committed.events)
    if (waiting) waiting.events.push(early)
    else
      this.#waiting.set(streamId, {
        events: [early],
        timer: setTimeout(() => this.#expire(streamId), WAIT_MS),
      })
  }

  /** Passes on the waiting events that continue the head by now. */
  #follow(id: StreamId): void {
    const { events } = this.#waiting.get(id) ?? { events: [] }
    const next = () => {
      const head = this.#options.tailer.headOf(id)?.eventId
      return events.findIndex(({ committed }) => committed.previous === head)
    }
    for (let index = next(); index >= 0; index = next()) {
      for (const early of events.splice(index, 1)) {
        this.#characters -= charactersIn(early.committed.events)
        this.#options.tailer.take([early.committed], early.counts)
      }
    }
    if (events.length === 0) this.#end(id)
  }

  #expire(id: StreamId): void {
    const positionOf = ({ committed }: Early) => committed.events[0]?.position ?? 0
    const events = this.#end(id).sort((one, other) => positionOf(one) - positionOf(other))
    for (const { committed, counts } of events) this.#options.tailer.take([committed], counts)
  }

  #end(id: StreamId): Early[] {
    const { events = [], timer } = this.#waiting.get(id) ?? {}
    this.#waiting.delete(id)
    clearTimeout(timer)
    for (const early of events) this.#characters -= charactersIn(early.committed.events)
    return events
  }
}
