/** What has a cursor of its own at the gateway: it is done when the cursor is at the last event of its stream. */
import { parseEventId } from '../../../src/log/event-id.js'
import type { Follower } from '../../followers/follower.js'
import { nameOf, type Place } from '../../followers/place.js'

export abstract class WorkFollower implements Follower {
  readonly stream: string
  #position = 0
  #last = Number.POSITIVE_INFINITY

  constructor(
    readonly name: string,
    place: Place,
  ) {
    this.stream = nameOf(place)
  }

  get isDone(): boolean {
    return this.#position >= this.#last
  }

  get place(): string {
    return `${this.#position} of ${this.stream}`
  }

  /** The position of its cursor, as the table has it. */
  moved(position: number): void {
    this.#position = position
  }

  settle(last: string): void {
    this.#last = parseEventId(last)?.position ?? this.#last
  }

  abstract follow(): Promise<void>

  abstract stop(): void
}
