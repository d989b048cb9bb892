/**
 * The streams that are followed in this process, and all subscriptions on them. The hub opens each stream once, however many
 * callers ask for it, and keeps it for a while after the last client has left, because clients reconnect. It bounds the
 * number of subscriptions, and has the one timer that checks all of them.
 */
import { randomUUID } from 'node:crypto'
import type { Database } from '../database/pool.js'
import type { EventFilter } from '../log/event-filter.js'
import type { Logger } from '../logging/logger.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import type { ClientCounts } from '../process/worker-message.js'
import type { Encoding } from '../sse/encoding.js'
import type { Sink } from '../sse/sink.js'
import { countByKind } from './client-counts.js'
import type { ClientIdentity } from './client-identity.js'
import { Connections } from './connections.js'
import { type Cursor, isAt } from './cursor.js'
import type { DeliveryWindow } from './delivery-window.js'
import { stopInWaves } from './draining.js'
import type { HubStream } from './hub-stream.js'
import { HubTally } from './hub-tally.js'
import type { Mode } from './mode.js'
import { OpenStreams, type StreamHandle } from './open-streams.js'
import { Pages } from './pages.js'
import { endlessPermit, type Permit } from './permit.js'
import type { Presence } from './presence.js'
import type { Replica } from './replica.js'
import { type Start, Starts } from './start.js'
import { findStored, type ReadersReach } from './stored-stream.js'
import { Subscription } from './subscription.js'
import type { Tailer } from './tailer.js'

/** A stream must end within a second of its credentials; half of that is left for a busy process. */
const LONGEST_TICK_MS = 500
const DEFAULTS = { heartbeatMs: 30_000, maxAgeMs: 0, maxStreams: () => Number.POSITIVE_INFINITY }

export interface HubOptions {
  readonly database: Database
  /** A replica from which pages of the past are read, if it has them. Default: none. */
  readonly replica?: Replica | undefined
  readonly tailer: Tailer
  readonly logger: Logger
  /** Time between heartbeats, for encodings without a time of their own. Default 30 s. */
  readonly heartbeatMs?: number
  /** How long a subscription of a stream without an end may last, ± 10 %. Default 0: as long as its permit. */
  readonly maxAgeMs?: number
  /** Maximum number of subscriptions at this moment. Default: no limit. */
  maxStreams?(): number
}

export interface Follow {
  readonly handle: StreamHandle
  readonly start: Start
  readonly sink: Sink
  readonly encoding: Encoding
  readonly filter: EventFilter | undefined
  /** The permit that keeps the subscription open; default: one that never ends. */
  readonly permit?: Permit | undefined
  /** Default: none, so each event is sent at once. */
  readonly window?: DeliveryWindow | undefined
  /** Sent before the events; default nothing. */
  readonly opening?: readonly Buffer[]
  /** The id that the client brought, in a form that may be sent back. */
  readonly broughtId?: string | undefined
  /** Query parameters that were ignored; the client gets their names. */
  readonly ignored?: readonly string[] | undefined
  /** The client, as the host knows it; default: it is not listed, and has no lines in the log. */
  readonly client?: ClientIdentity | undefined
}

export class Hub {
  readonly starts: Starts
  readonly tally = new HubTally()
  /** The id of this process, here and in the cluster. */
  readonly id = randomUUID()
  readonly connections: Connections
  readonly #options: Required<Omit<HubOptions, 'replica'>>
  readonly #streams: OpenStreams
  readonly #subscriptions = new Set<Subscription>()
  readonly #ticks: PeriodicLoop
  #mode: Mode = 'normal'

  constructor(options: HubOptions) {
    const { database, replica, logger } = options
    this.#options = { ...DEFAULTS, ...options }
    this.starts = new Starts(database, new Pages(database, replica))
    this.#streams = new OpenStreams(this.#options, this.tally)
    this.connections = new Connections(this, logger)
    const everyMs = Math.min(this.#options.heartbeatMs, LONGEST_TICK_MS)
    const turn = () => this.#tick()
    this.#ticks = new PeriodicLoop({ name: 'Looking after the open streams', everyMs, logger, turn }).start()
  }

  get mode(): Mode {
    return this.#mode
  }

  /** Why no subscription can be opened now; undefined if one can. */
  get refusal(): 'draining' | 'limit' | undefined {
    if (this.#mode === 'draining') return 'draining'
    return this.#subscriptions.size >= this.#options.maxStreams() ? 'limit' : undefined
  }

  /** Subscriptions in this process, in total and by kind of stream. */
  clients(): ClientCounts {
    return countByKind(this.#subscriptions)
  }

  get subscriptions(): ReadonlySet<Subscription> {
    return this.#subscriptions
  }

  /** Subscriptions in this process on one stream. */
  followers(workspace: string, name: string): number {
    return this.#streams.known(workspace, name)?.followers.size ?? 0
  }

  /** Opens the stream of that name; undefined if there is none for the reader. A missing feed is created. @throws the reason of `gone`. */
  async open(workspace: string, name: string, reader: ReadersReach = {}): Promise<StreamHandle | undefined> {
    const handle = await this.#streams.open(workspace, name, reader)
    if (this.#mode === 'draining') handle?.stream.end()
    return handle
  }

  /**
   * Whether the stream has ended and a client with this cursor has all of it. Reads the log, because this process may not know
   * the end or the last events yet, or the log may have lost them: then the client must not be turned away for good.
   */
  async isAtItsEnd(
    workspace: string,
    name: string,
    stream: HubStream,
    cursor: Cursor,
    client: Presence = {},
  ): Promise<boolean> {
    if (cursor.position < stream.head.position) return false
    if (!stream.closed && !stream.hasEnd) return false
    const found = await findStored(this.#options.database, { workspace, gone: () => client.gone }, name)
    return found !== undefined && found.closedAt !== null && isAt(cursor, found.head)
  }

  /** Takes over the handle. If there is no room, or the permit is over, it notifies the client and ends the subscription. */
  subscribe(follow: Follow): Subscription {
    const { handle, opening = [], ignored, permit = endlessPermit() } = follow
    const { sink, encoding, filter, broughtId, client, window } = follow
    const start = window?.startFrom(follow.start, handle.stream.id) ?? follow.start
    const { heartbeatMs, maxAgeMs, logger } = this.#options
    const now = Date.now()
    const longestMs = encoding.lastsMs ?? (handle.stream.hasEnd ? 0 : maxAgeMs)
    const tooOldAt = now + (longestMs || Number.POSITIVE_INFINITY) * (0.9 + 0.2 * Math.random())
    const subscription = new Subscription({
      stream: handle.stream,
      starts: this.starts,
      start,
      sink,
      encoding,
      filter,
      broughtId,
      client,
      window,
      logger,
      permit,
      tooOldAt,
      openedAt: now,
      heartbeatMs: encoding.heartbeatMs ?? heartbeatMs,
      onClosed: () => {
        this.#subscriptions.delete(subscription)
        this.connections.closed(subscription)
        window?.onClosed()
        handle.release()
      },
    })
    // Checked again: many clients may have been admitted at the same time and have waited for the database since.
    const { refusal } = this
    this.#subscriptions.add(subscription)
    this.connections.opened(subscription)
    window?.onOpened(subscription, start)
    subscription.open(this.#mode, opening, ignored)
    if (refusal) subscription.refuse(refusal)
    else subscription.tick(now)
    return subscription
  }

  /** Drops everything from memory that can be read again. */
  shed(): void {
    this.starts.pages.clear()
    this.#streams.each(stream => stream.recent.clear())
  }

  /** Tells every client the mode, if it has changed. */
  announce(mode: Mode): void {
    if (this.#mode === mode) return
    this.#mode = mode
    const notice = { name: 'server.state', data: { mode } } as const
    for (const subscription of this.#subscriptions) subscription.say(notice, mode === 'draining')
  }

  /** Ends all long polls and subscriptions: a few at once, many in waves over at most `longestMs` (draining.ts has `onHalf`). */
  async drain(longestMs: number, onHalf?: (ended: number) => void): Promise<void> {
    this.announce('draining')
    this.#streams.each(stream => stream.end())
    await stopInWaves(this.#subscriptions, longestMs, onHalf)
  }

  close(): void {
    this.#ticks.stop()
    for (const subscription of this.#subscriptions) subscription.stop('draining')
  }

  #tick(): void {
    const now = Date.now()
    for (const subscription of this.#subscriptions) subscription.tick(now)
    this.#streams.closeIdle(now)
  }
}
