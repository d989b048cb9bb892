/**
 * A stream that clients of this process follow: its head, its recent frames, and its live audiences. The tailer hands it
 * events in order; it encodes each once. Head and recent frames move in one turn of the event loop, and the delivery to
 * the live subscriptions begins in it. With many of them it goes on in later turns (turns.ts), while the tailer holds back
 * what comes next. So a live subscription is at the head, or at the head before and about to be served; who joins meanwhile is
 * at the head, and takes nothing of that delivery.
 */
import { randomUUID } from 'node:crypto'
import type { Position, StoredEvent, StreamId } from '../log/event.js'
import type { Bounds, Head } from '../log/log.js'
import type { TypeFilter } from '../log/type-filter.js'
import type { Encoding } from '../sse/encoding.js'
import { EventFrames } from './event-frames.js'
import { Audience, type Member } from './fan-out-group.js'
import { Heartbeats } from './heartbeats.js'
import type { PageFrames } from './page-frames.js'
import { RecentFrames } from './recent-frames.js'
import type { Turns } from './scheduling/fair-scheduler.js'
import type { Discontinuity, TailedStream } from './tailer.js'

/** A client that follows a stream, live or still catching up. */
export interface Follower {
  /** The log does not continue at the stream's head, `lost`; it goes on from the bounds' head. */
  restart(why: Discontinuity, bounds: Bounds, lost: Head): void
  vanish(): void
}

export class HubStream implements TailedStream {
  readonly recent = new RecentFrames()
  readonly heartbeats = new Heartbeats()
  readonly followers = new Set<Follower>()
  readonly #audiences = new Map<string, Audience>()
  readonly #waiting = new Set<() => void>()
  #history: string = randomUUID()
  #restarts = 0
  #idleSince: number | undefined = Date.now()
  #leases = 0
  vanished = false
  /** The process ends: nobody is to wait for more any longer. */
  ending = false

  constructor(
    readonly id: StreamId,
    readonly kind: string,
    readonly closed: boolean,
    public head: Head,
    /** Has the head compared with the log. */
    readonly verify: () => void,
    readonly turns: Turns,
  ) {}

  /** Names what is kept of the log. Another one after each restart and doubt, so that nothing older is found again. */
  get history(): string {
    return this.#history
  }

  /** To be called when the log and what is kept of it do not fit together: all of it is read and compared again. */
  doubt(): void {
    this.#history = randomUUID()
    this.verify()
  }

  receive(events: readonly StoredEvent[]): Promise<void> | undefined {
    const frames = events.map(event => new EventFrames(event))
    const before = this.head
    this.recent.add(frames, before.eventId)
    const last = events.at(-1)
    if (last) this.head = last
    this.#grew()
    return this.turns.run(this.#deliver(frames, before))
  }

  /**
   * While no recent frames are known, as in a process that has just started, those of a page that end at the head become
   * them: the next client need not read them again.
   */
  recall(page: PageFrames): void {
    if (!this.recent.empty) return
    const known = page.frames.filter(({ position }) => position <= this.head.position)
    const [first] = known
    if (!first || known.at(-1)?.event.eventId !== this.head.eventId) return
    this.recent.add(known, page.eventIdAt((first.position - 1) as Position))
  }

  restart(why: Discontinuity, bounds: Bounds): void {
    const lost = this.head
    this.recent.clear()
    this.#history = randomUUID()
    this.#restarts += 1
    this.head = bounds.head
    for (const follower of this.followers) follower.restart(why, bounds, lost)
    this.#grew()
  }

  vanish(): void {
    this.vanished = true
    for (const follower of this.followers) follower.vanish()
    this.#grew()
  }

  /** Makes a member live: from now on it gets what comes after the head, until the returned function is called. */
  join(member: Member, encoding: Encoding, filter: TypeFilter | undefined): () => void {
    const key = `${encoding.name} ${filter?.key ?? ''}`
    const audience = this.#audiences.get(key) ?? new Audience(encoding, filter)
    this.#audiences.set(key, audience)
    audience.members.add(member)
    return () => {
      audience.members.delete(member)
      if (audience.members.size === 0 && this.#audiences.get(key) === audience) this.#audiences.delete(key)
    }
  }

  /** How many groups of live subscriptions there are: what one of a group gets, all of it get. */
  get audiences(): number {
    return this.#audiences.size
  }

  /** Answers those who wait for more. */
  end(): void {
    this.ending = true
    this.#grew()
  }

  /**
   * Resolves when the head has moved, when there is no more to wait for (the stream has gone, or the process ends), or
   * when `until` aborts.
   */
  grown(until?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const settle = () => {
        this.#waiting.delete(settle)
        until?.removeEventListener('abort', settle)
        resolve()
      }
      this.#waiting.add(settle)
      until?.addEventListener('abort', settle)
      if (until?.aborted) settle()
    })
  }

  /** Keeps the stream in the hub until the returned function is called. */
  lease(): () => void {
    this.#leases += 1
    this.#idleSince = undefined
    let released = false
    return () => {
      if (released) return
      released = true
      this.#leases -= 1
      if (this.#leases === 0) this.#idleSince = Date.now()
    }
  }

  /** How long nobody has held it, in milliseconds. */
  idleFor(now: number): number {
    return this.#idleSince === undefined ? 0 : now - this.#idleSince
  }

  eventIdAt(position: Position): string | undefined {
    if (position === this.head.position) return this.head.eventId
    return this.recent.at(position)?.event.eventId
  }

  *#deliver(frames: readonly EventFrames[], before: Head): Generator<void> {
    const restarts = this.#restarts
    for (const audience of [...this.#audiences.values()]) {
      for (const _ of audience.send(frames, before)) {
        yield
        // These events are lost.
        if (restarts !== this.#restarts) return
      }
    }
  }

  #grew(): void {
    for (const settle of [...this.#waiting]) settle()
  }
}
