/**
 * A stream that somebody in this process follows: its head, its recent frames, and its live audiences. The tailer hands it
 * events in order; it encodes each once. Head and recent frames move in one turn of the event loop, and the delivery to
 * the live subscriptions begins in it. With many of them it goes on in later turns (turns.ts), while the tailer holds back
 * what comes next. So a live subscription is at the head, or at the head before and about to be served; who joins meanwhile is
 * at the head, and takes nothing of that delivery.
 */
import { randomUUID } from 'node:crypto'
import type { Position, StoredEvent, StreamId } from '../events/event.js'
import type { Bounds, Head } from '../events/log.js'
import type { TypeFilter } from '../events/type-filter.js'
import type { Encoding } from '../sse/encoding.js'
import { Audience, type Member } from './audience.js'
import { EventFrames } from './event-frames.js'
import { Heartbeats } from './heartbeats.js'
import { RecentFrames } from './recent-frames.js'
import type { Discontinuity, TailedStream } from './tailer.js'
import type { Turns } from './turns.js'

/** Who follows a stream, live or still catching up. */
export interface Follower {
  restart(why: Discontinuity, bounds: Bounds): void
  vanish(): void
}

export class HubStream implements TailedStream {
  readonly recent = new RecentFrames()
  readonly heartbeats = new Heartbeats()
  readonly followers = new Set<Follower>()
  readonly #audiences = new Map<string, Audience>()
  readonly #waiting = new Set<() => void>()
  #history: string = randomUUID()
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
    /** Has the heads of all streams compared with the log: to be called by who sees that they cannot be right. */
    readonly doubt: () => void,
    readonly turns: Turns,
  ) {}

  /** Another one after each restart: what was read of the log before does not belong to what is read after. */
  get history(): string {
    return this.#history
  }

  receive(events: readonly StoredEvent[]): Promise<void> | undefined {
    const frames = events.map(event => new EventFrames(event))
    this.recent.add(frames)
    const last = events.at(-1)
    if (last) this.head = last
    this.#grew()
    return this.turns.run(this.#deliver(frames))
  }

  /**
   * Frames of the log, without a hole. While no recent ones are known, as in a process that has just started, those that
   * end at the head become them: who comes next need not read them again.
   */
  recall(frames: readonly EventFrames[]): void {
    if (!this.recent.empty) return
    const known = frames.filter(({ position }) => position <= this.head.position)
    if (known.at(-1)?.event.eventId === this.head.eventId) this.recent.add(known)
  }

  restart(why: Discontinuity, bounds: Bounds): void {
    this.recent.clear()
    this.#history = randomUUID()
    this.head = bounds.head
    for (const follower of this.followers) follower.restart(why, bounds)
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

  /** Whether its head lies within a log of these bounds. */
  continuesIn({ base, head }: Bounds): boolean {
    return base.position <= this.head.position && this.head.position <= head.position
  }

  eventIdAt(position: Position): string | undefined {
    if (position === this.head.position) return this.head.eventId
    return this.recent.at(position)?.event.eventId
  }

  *#deliver(frames: readonly EventFrames[]): Generator<void> {
    const history = this.#history
    for (const audience of [...this.#audiences.values()]) {
      for (const _ of audience.send(frames)) {
        yield
        // Everybody is at another head now.
        if (history !== this.#history) return
      }
    }
  }

  #grew(): void {
    for (const settle of [...this.#waiting]) settle()
  }
}
