/**
 * Reads one page of a consumer, which the client holds meanwhile. If the client names the last event in flight, the page continues after
 * it, else after the cursor. The read waits for an event, or for an acknowledgement if the window is full. The client must name the
 * event, because the response with the page before may be lost without the gateway's notice, and a proxy then sends the request again
 * (RFC 9110 §9.2.2): if the gateway did not ask for it, the client would acknowledge, with a later event, events that it never got.
 *
 * Invariant: what the row says was handed out is a contiguous range after the cursor. It is noted, fenced by the epoch, before
 * the page is sent. The number of events in flight is an upper bound: with a filter, the row does not know how many of them
 * a partial acknowledgement included.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from '../database/pool.js'
import { isAt } from '../hub/cursor.js'
import { type EventPage, readEventPage } from '../hub/event-page.js'
import type { Hub } from '../hub/hub.js'
import type { HubStream } from '../hub/hub-stream.js'
import type { Reset } from '../hub/start.js'
import type { GrantedStreams } from '../hub/stored-stream.js'
import type { EventFilter } from '../log/event-filter.js'
import { type EventId, isIdOf } from '../log/event-id.js'
import type { Head } from '../log/log.js'
import { type Claim, type Consumer, type Epoch, overdueInMs } from './consumer.js'
import { resetConsumer } from './consumer-losses.js'
import { moveCursors, noteHandedOut, passOver } from './cursor-rows.js'
import { NO_EVENT, startAfter } from './cursor-start.js'
import { consumerLost } from './hold-problem.js'
import { LEASE_MS } from './holds.js'

/** A waiting page renews its lease, and learns whether it has lost it, after this time. */
const SLICE_MS = 3_000
/** A full window learns of an acknowledgement within this time. */
const POLL_MS = 250

export interface ConsumerPage extends Claim, Pick<EventPage, 'events' | 'head'> {
  /** Everything up to it is acknowledged. */
  readonly cursor: Head
  /** Events that are handed out and not acknowledged, with those of this page. */
  readonly inFlight: number
}

export interface ConsumerPageRequest {
  readonly consumer: Consumer
  /** The epoch of the page before; undefined: a new holder. */
  readonly epoch: Epoch | undefined
  /** The last event that the client has got with this epoch. Unless it is the last one in flight, all of them are handed out again. */
  readonly after?: EventId | undefined
  /** Whether a new holder claims it also if another client holds it. */
  readonly takeover: boolean
  /** The principal. */
  readonly holder: string
  /** The streams that the caller may read; default: all. */
  readonly streams?: GrantedStreams
  readonly filter: EventFilter | undefined
  /** The most events of the page. */
  readonly limit: number
  /** How long to wait for an event, or for room in the window, in milliseconds. */
  readonly waitMs: number
  /** Aborts when the client disconnects or its credentials end. */
  readonly signal: AbortSignal
  /** Aborts when the client disconnects. */
  readonly gone: AbortSignal
}

/** The lease of the client that reads pages. */
interface PageLease {
  /** @throws {Problem} 409 `consumer-lost`. @returns the consumer as its row is now. */
  renew(claim: Claim, leaseMs: number): Promise<Consumer>
  release(claim: Claim): Promise<void>
}

export class PageReading {
  readonly #hub: Pick<Hub, 'starts' | 'tally'>
  readonly #database: Database
  readonly #stream: HubStream
  readonly #request: ConsumerPageRequest
  readonly #lease: PageLease
  readonly #endsAt: number
  #consumer: Consumer
  /** The page starts after it. */
  #after: Head
  #inFlight = 0
  /** The last event that is in flight, if any is. */
  #handedTo: Head | undefined

  constructor(
    hub: Pick<Hub, 'starts' | 'tally'>,
    database: Database,
    stream: HubStream,
    request: ConsumerPageRequest,
    lease: PageLease,
  ) {
    this.#hub = hub
    this.#database = database
    this.#stream = stream
    this.#request = request
    this.#lease = lease
    this.#endsAt = performance.now() + request.waitMs
    this.#consumer = request.consumer
    this.#after = request.consumer.cursor
  }

  /** @param consumer as its row was when the client got the lease. */
  async run(consumer: Consumer): Promise<ConsumerPage | Reset> {
    await this.#begin(consumer)
    for (;;) {
      const step = this.#room > 0 ? await this.#read() : await this.#waitForRoom()
      if (step) return step
      await this.#refresh(await this.#lease.renew(this.#consumer, LEASE_MS))
    }
  }

  async #begin(consumer: Consumer): Promise<void> {
    const { cursor, handed, inFlight } = consumer
    const { after } = this.#request
    this.#consumer = consumer
    this.#after = cursor
    if (inFlight === 0 || !handed) return
    if (after?.position !== handed.position || !isIdOf(after, handed.eventId)) {
      await this.#note(cursor)
      return
    }
    this.#after = handed
    this.#handedTo = handed
    await this.#refresh(consumer)
  }

  get #room(): number {
    return Math.min(this.#request.limit, Math.max(0, this.#consumer.maxInFlight - this.#inFlight))
  }

  get #leftMs(): number {
    return this.#stream.ending || this.#request.signal.aborted
      ? 0
      : Math.max(0, this.#endsAt - performance.now())
  }

  async #refresh(consumer: Consumer): Promise<void> {
    this.#consumer = consumer
    this.#inFlight = consumer.inFlight
    const isOverdue = this.#inFlight > 0 && this.#overdueInMs <= 0
    // The client has given the consumer up with another request of this epoch.
    const isGivenUp = this.#inFlight === 0 && consumer.cursor.position < (this.#handedTo?.position ?? 0)
    if (isOverdue || isGivenUp) {
      // All of it is handed out again, and its clock starts anew.
      this.#after = consumer.cursor
      this.#handedTo = undefined
      this.#inFlight = 0
      if (isOverdue) await this.#note(consumer.cursor)
    }
    if (consumer.cursor.position > this.#after.position) this.#after = consumer.cursor
  }

  get #overdueInMs(): number {
    return overdueInMs(this.#consumer, this.#hub.tally.clockAheadMs)
  }

  async #read(): Promise<ConsumerPage | Reset | undefined> {
    const { filter, signal, gone, consumer } = this.#request
    const start = await this.#hub.starts.resolve(
      this.#stream,
      startAfter(this.#after, this.#consumer.reset),
      undefined,
      { gone },
    )
    const from = { eventId: NO_EVENT, ...start.cursor }
    if (start.reset) return this.#goBack() ? undefined : await this.#reset(start.reset, from)
    if (this.#consumer.streamId !== this.#stream.id) {
      // A later stream of the name of one that was deleted.
      await resetConsumer(this.#database, this.#consumer, this.#stream.id, from)
      await this.#move(from, moveCursors)
      return undefined
    }
    const waitMs = Math.min(this.#leftMs, SLICE_MS)
    const { workspace } = consumer
    const wanted = { workspace, after: start.cursor, limit: this.#room, filter, waitMs, signal, gone }
    const page = await readEventPage(this.#database, this.#stream, wanted)
    // The log has lost the place meanwhile: the next turn says to which one the cursor goes.
    if ('reason' in page) return undefined
    const last = page.events.at(-1)
    if (last) return await this.#handOut(page, last)
    await this.#passOver({ eventId: NO_EVENT, ...page.next })
    return this.#leftMs === 0 || this.#stream.closed ? await this.#end(page.head) : undefined
  }

  /** The log may still have the last place that the client knows: the filter has left out every event since. */
  #goBack(): boolean {
    const { cursor } = this.#consumer
    const known = this.#handedTo && this.#handedTo.position > cursor.position ? this.#handedTo : cursor
    const isBeyond = !isAt(this.#after, known)
    this.#after = known
    return isBeyond
  }

  async #waitForRoom(): Promise<ConsumerPage | undefined> {
    if (this.#leftMs === 0) return await this.#end((await this.#hub.starts.bounds(this.#stream)).head)
    await pause(Math.min(this.#leftMs, POLL_MS))
    return undefined
  }

  async #handOut({ events, head }: EventPage, last: Head): Promise<ConsumerPage> {
    // The note about events that were handed out before stays.
    this.#request.gone.throwIfAborted()
    this.#inFlight += events.length
    await this.#note(last, this.#consumer.ackTimeoutMs)
    return this.#pageOf(events, head)
  }

  async #note({ position, eventId }: Head, leaseMs?: number): Promise<void> {
    const { id, epoch } = this.#consumer
    const handed = { id, epoch, position, eventId, inFlight: this.#inFlight }
    const [refused] = await noteHandedOut(this.#database, [handed], leaseMs)
    if (refused) throw consumerLost()
  }

  /** The filter has left out all events up to this place. The cursor moves over them too if nothing is in flight. */
  async #passOver(next: Head): Promise<void> {
    this.#after = next
    if (this.#inFlight > 0 || next.position <= this.#consumer.cursor.position) return
    await this.#move(next, passOver)
    this.#consumer = { ...this.#consumer, cursor: next }
  }

  async #move({ position, eventId }: Head, move: typeof moveCursors): Promise<void> {
    const { id, epoch } = this.#consumer
    const [refused] = await move(this.#database, [{ id, epoch, position, eventId }])
    if (refused) throw consumerLost()
  }

  /** An empty page. The client goes on holding the consumer if something is in flight. */
  async #end(head: Head): Promise<ConsumerPage> {
    if (this.#inFlight === 0) await this.#lease.release(this.#consumer)
    else await this.#lease.renew(this.#consumer, Math.max(1, this.#overdueInMs))
    return this.#pageOf([], head)
  }

  async #reset(reset: Reset, to: Head): Promise<Reset> {
    await resetConsumer(this.#database, this.#consumer, this.#stream.id, to)
    await this.#lease.release(this.#consumer)
    return reset
  }

  #pageOf(events: EventPage['events'], head: Head): ConsumerPage {
    const { id, epoch, cursor } = this.#consumer
    return { id, epoch, events, head, cursor, inFlight: this.#inFlight }
  }
}
