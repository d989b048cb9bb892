/**
 * A stream that clients of this process follow: its head, its recent frames, and the fan-out groups of its live
 * subscriptions. The tailer hands it events in order, and it encodes each once. Its head and its recent frames move in one
 * turn of the event loop, and the delivery to the live subscriptions begins in that turn. With many subscriptions the
 * delivery continues in later turns (scheduling/pacing.ts), and the tailer hands over nothing new until it is done. So a live
 * subscription is either at the head, or at the previous head and about to be served. A subscription that joins meanwhile is
 * at the head, and takes nothing from that delivery.
 */
import { randomUUID } from 'node:crypto'
import { FEED, type Position, type StoredEvent, type StreamId, type StreamName } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import type { Bounds, Head } from '../log/log.js'
import type { Encoding } from '../sse/encoding.js'
import { type Cursor, isAt } from './cursor.js'
import { EventFrames } from './event-frames.js'
import type { Member } from './fan-out-group.js'
import { FanOutGroups } from './fan-out-groups.js'
import { Heartbeats } from './heartbeats.js'
import type { HubTally } from './hub-tally.js'
import type { PageFrames } from './page-frames.js'
import { RecentFrames } from './recent-frames.js'
import type { Pacing } from './scheduling/pacing.js'
import type { Discontinuity, TailedStream } from './tailed-stream.js'

/** A subscription of a stream, whether it is live or catches up. */
export interface Follower {
  /** Stored events were changed. A follower must keep no event, and catch up if it is not at this head. */
  forget(head: Head): void
  /** The log does not continue at `lost`, which was the stream's head; it continues at the head of `bounds`. */
  restart(why: Discontinuity, bounds: Bounds, lost: Head): void
  onClosed?(): void
  onDeleted(): void
}

export interface HubStreamOptions {
  readonly id: StreamId
  readonly named?: StreamName | undefined
  readonly kind: string
  /** Whether the stream had already ended when it was opened. */
  readonly closed: boolean
  readonly head: Head
  readonly pacing: Pacing
  readonly tally: HubTally
  /** Lets the tailer compare the head with the log. */
  compareHead(): void
}

export class HubStream implements TailedStream {
  readonly id: StreamId
  readonly named: StreamName | undefined
  readonly kind: string
  /** Whether the stream has ended. The stream of a job learns that from its last event, and only when it is opened here. */
  closed: boolean
  head: Head
  readonly pacing: Pacing
  readonly tally: HubTally
  readonly #compareHead: () => void
  readonly recent = new RecentFrames()
  readonly heartbeats = new Heartbeats()
  readonly followers = new Set<Follower>()
  readonly #fanOutGroups = new FanOutGroups()
  readonly #waiting = new Set<() => void>()
  #history: string = randomUUID()
  #edition = 0
  #idleSince: number | undefined = Date.now()
  #handles = 0
  deleted = false
  /** The process is ending, so callers must not wait for more events. */
  ending = false

  constructor({ id, named, kind, closed, head, pacing, tally, compareHead }: HubStreamOptions) {
    this.id = id
    this.named = named
    this.kind = kind
    this.closed = closed
    this.head = head
    this.pacing = pacing
    this.tally = tally
    this.#compareHead = compareHead
  }

  /** Whether the stream ends at some time, such as a job's. Its clients wait for that end, so the hub never ends it by age. */
  get hasEnd(): boolean {
    return this.kind !== FEED
  }

  /** Part of every cache key of this stream. It changes with each restart and verification, so older entries are not found. */
  get history(): string {
    return this.#history
  }

  /** Call this if the log contradicts this process's copy of it: everything is read and compared again. */
  verify(): void {
    this.#history = randomUUID()
    this.#compareHead()
  }

  /** Changes when the log has lost or changed stored events: frames that were read or made before must not be written. */
  get edition(): number {
    return this.#edition
  }

  /** A delivery under way stops, and its clients catch up with the events as they are now. */
  forget(upTo: Position): void {
    this.#edition += 1
    this.recent.removeThrough(upTo)
    // The head, and the cursors of its followers, are events with their data.
    const { position, eventId } = this.head
    this.head = { position, eventId }
    for (const follower of this.followers) follower.forget(this.head)
  }

  receive(events: readonly StoredEvent[]): Promise<void> | undefined {
    const now = Date.now()
    const frames = events.map(event => new EventFrames(event, now))
    const before = this.head
    this.recent.add(frames, before.eventId)
    const last = events.at(-1)
    if (last) this.head = last
    this.#grew()
    return this.pacing.run(this.#deliver(frames, before))
  }

  /**
   * If there are no recent frames, as in a process that has just started, takes them from a page that reaches the head. The
   * next client then need not read them.
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
    this.#edition += 1
    this.head = bounds.head
    // The closing may be lost too. If it is not, the next read closes the stream again.
    if (why === 'history-lost') this.closed = false
    for (const follower of this.followers) follower.restart(why, bounds, lost)
    this.#grew()
  }

  /** Whether the stream is closed and has nothing after this cursor. A dialect of a job's stream has ended with the last event by then. */
  endsAt(cursor: Cursor): boolean {
    return this.closed && isAt(cursor, this.head)
  }

  onClosed(): void {
    if (this.closed) return
    this.closed = true
    for (const follower of this.followers) follower.onClosed?.()
    this.#grew()
  }

  onDeleted(): void {
    this.deleted = true
    for (const follower of this.followers) follower.onDeleted()
    this.#grew()
  }

  /** Adds a member to its fan-out group: it gets everything after the head until the returned function is called. */
  join(member: Member, encoding: Encoding, filter: EventFilter | undefined): () => void {
    return this.#fanOutGroups.join(member, encoding, filter)
  }

  /** Number of fan-out groups. */
  get fanOutGroups(): number {
    return this.#fanOutGroups.size
  }

  get liveClients(): number {
    return this.#fanOutGroups.clients
  }

  /** Ends every wait for more events. */
  end(): void {
    this.ending = true
    this.#grew()
  }

  /** Resolves when the head has moved, when nothing more will come (the stream was deleted, or the process ends), or when `until` aborts. */
  grown(until?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const settle = () => {
        forget()
        until?.removeEventListener('abort', settle)
        resolve()
      }
      const forget = this.whenGrown(settle)
      until?.addEventListener('abort', settle)
      if (until?.aborted) settle()
    })
  }

  /** Calls back once, when `grown` would resolve. @returns a function that cancels the call. */
  whenGrown(act: () => void): () => void {
    this.#waiting.add(act)
    return () => this.#waiting.delete(act)
  }

  /** Keeps the stream in the hub until the returned function is called. */
  hold(): () => void {
    this.#handles += 1
    this.#idleSince = undefined
    let released = false
    return () => {
      if (released) return
      released = true
      this.#handles -= 1
      if (this.#handles === 0) this.#idleSince = Date.now()
    }
  }

  /** Whether nobody follows it. */
  get idle(): boolean {
    return this.#handles === 0
  }

  /** How long the stream has had no handle, in milliseconds. */
  idleFor(now: number): number {
    return this.#idleSince === undefined ? 0 : now - this.#idleSince
  }

  eventIdAt(position: Position): string | undefined {
    if (position === this.head.position) return this.head.eventId
    return this.recent.at(position)?.event.eventId
  }

  *#deliver(frames: readonly EventFrames[], before: Head): Generator<void> {
    const edition = this.#edition
    const arrivedAt = performance.now()
    const clients = this.liveClients
    for (const _ of this.#fanOutGroups.send(frames, before)) {
      yield
      if (edition !== this.#edition) return
    }
    if (clients > 0) this.tally.delivered(frames, arrivedAt, clients)
  }

  #grew(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const settle of waiting) settle()
  }
}
