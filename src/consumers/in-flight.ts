/** The events that a holder has got and not acknowledged, in their order, and since when it has made no progress. */
import type { Position } from '../log/event.js'

export class InFlight {
  #positions: Position[] = []
  /** When the oldest event was handed out, or the last progress was made if that was later. */
  #since = 0

  get count(): number {
    return this.#positions.length
  }

  get last(): Position | undefined {
    return this.#positions.at(-1)
  }

  /** @param now in milliseconds of any clock that does not go back, the same in all calls. */
  add(positions: readonly Position[], now: number): void {
    if (positions.length === 0) return
    if (this.#positions.length === 0) this.#since = now
    // Not spread into `push`: a window may have 10,000 events.
    for (const position of positions) this.#positions.push(position)
  }

  /** Everything up to this position was acknowledged. */
  acknowledge(upTo: Position, now: number): void {
    this.#since = now
    const first = this.#positions.findIndex(position => position > upTo)
    this.#positions = first < 0 ? [] : this.#positions.slice(first)
  }

  /** Whether something is in flight, and nothing was acknowledged for this long. */
  isOverdue(timeoutMs: number, now: number): boolean {
    return this.#positions.length > 0 && now - this.#since >= timeoutMs
  }

  clear(): void {
    this.#positions = []
  }
}
