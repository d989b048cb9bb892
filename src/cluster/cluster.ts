/**
 * The membership of this process in the cluster: its row in sluice.nodes, and the figures of the other nodes.
 *
 *   starting ── first heartbeat answered ──▶ known ── heartbeats fail ──▶ out of touch ── one is answered ──▶ known
 *
 * While it is starting there are no figures of others. Out of touch, the figures are the last known ones, with their age; the other
 * nodes remove its row after 10 s, and the next heartbeat inserts it again. Closing removes the row, or else the other nodes do.
 * A heartbeat is one statement every 2 s on one connection of the pool, and nothing waits for it. An event costs nothing here.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Bus } from '../bus/bus.js'
import { databaseFault, levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import type { StreamId } from '../log/event.js'
import type { Logger } from '../logging/logger.js'
import { Backoff } from '../process/backoff.js'
import { withinDeadline } from '../process/deadline.js'
import { EventLoopDelay } from '../process/event-loop-delay.js'
import { packageVersion } from '../process/package-version.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import { type ClientCounts, sumCounts } from '../process/worker-message.js'
import {
  answerQuestions,
  askForClients,
  type ClientPage,
  type ClientsOn,
  type ListedClients,
} from './client-questions.js'
import { fairShare } from './fair-share.js'
import { beat, countElsewhere, type Elsewhere, leave, type NodeRow, type Others } from './node-rows.js'
import { changedCounts, type StreamClients } from './stream-counts.js'

const EVERY_MS = 2_000
/** How long a process that has found itself alone takes that for granted. */
const ALONE_MS = 4_000
/** After this time every other process has learned of a new row: longer than ALONE_MS, and than the time between two polls. */
const KNOWN_MS = 5_000
/** After a longer time without a heartbeat, others may have taken what this process held in the database. */
const UNHELD_MS = 4_500
/** Others remove the row 10 s after its last heartbeat. */
const FORGOTTEN_MS = 8_000
const RETRY_MS = { minMs: 500, maxMs: 5_000 }
const LEAVE_DEADLINE_MS = 1_000
/** Streams whose clients a node reports. Further ones are left out, and it says how many. */
const MAX_REPORTED_STREAMS = 10_000

/** The figures that a process reports about itself. */
export interface NodeFigures {
  readonly mode: string
  /** How far the process is behind the log, in ms. */
  readonly lagMs: number
  readonly clients: ClientCounts
  /** All streams that have clients. */
  readonly streams: readonly StreamClients[]
  readonly bus: Pick<Bus, 'kind' | 'status'>
  /** Undefined: the process does not watch its memory. */
  readonly memory?: { readonly state: string; readonly fullness: number } | undefined
}

/** All nodes together. */
export interface ClusterFigures {
  readonly nodes: number
  readonly clients: ClientCounts
  /** Milliseconds since the figures of the other nodes were read. Each of them may be one heartbeat older. */
  readonly ageMs: number
}

export interface ClusterOptions {
  readonly database: Database
  readonly logger: Logger
  /** False: the process has no row, and knows no other nodes. Default true. */
  readonly member?: boolean | undefined
  /** Whether the process does what one node does for all, if it is the first one. Default false, as for an engine. */
  readonly mayBeFirst?: boolean | undefined
  /** The id of this process: a UUID. Default: a random one. */
  readonly id?: string | undefined
  /** Default 2 s; tests use less. */
  readonly everyMs?: number | undefined
  figures(): NodeFigures
  /** The clients of a stream in this process, as many as a page has. Default: it lists none. */
  readonly clientsOn?: ClientsOn
  /**
   * Called after each heartbeat. @param aheadMs how far the database's clock is ahead of this process's, in ms; exact to half the
   *   duration of the heartbeat.
   */
  onClock?(aheadMs: number): void
}

export class Cluster {
  readonly id: string
  /** Grows when the row was inserted, or may have been: what the database has beside the row is gone then. */
  joins = 0
  /** The streams whose principals this node reports (presence.ts); undefined while no stream has presence. */
  presenceStreams: ReadonlySet<StreamId> | undefined
  readonly #options: ClusterOptions
  readonly #startedAt = performance.now()
  readonly #heartbeats: PeriodicLoop
  readonly #eventLoop = new EventLoopDelay()
  /** The counts that the database has; undefined if that is unknown. */
  #reported: ReadonlyMap<StreamId, number> | undefined
  /** As the last answered heartbeat has found them. `sentAt`: when it was sent. `joinedAt`: since when the row has been there. */
  #others:
    | (Others & { readonly isFirst: boolean; readonly sentAt: number; readonly joinedAt: number })
    | undefined
  #onRejoined: () => void = () => {}

  constructor(options: ClusterOptions) {
    this.#options = options
    const { everyMs = EVERY_MS, id = randomUUID(), logger } = options
    this.id = id
    this.#heartbeats = new PeriodicLoop({
      name: 'The heartbeat of this process',
      everyMs,
      firstMs: 0,
      backoff: new Backoff(RETRY_MS),
      logger,
      levelOf: levelOfFailure,
      turn: () => this.#beat(),
    })
  }

  /** Lets NOTIFY rest while no other process listens, and the poll hurry while others may not know of this process. */
  connect(bus: Bus, poll: { hurryWhile(mayMissWakes: () => boolean): void }): void {
    if (!bus.restWhile) return
    bus.restWhile(() => this.isAlone)
    poll.hurryWhile(() => this.mayBeUnknown)
  }

  /** @param act called after a heartbeat that the others, or the database, may have missed for too long, the first one included. */
  whenRejoined(act: () => void): void {
    this.#onRejoined = act
  }

  start(): void {
    if (this.#options.member ?? true) this.#heartbeats.start()
  }

  /** All nodes, this one as it is now; undefined before the first heartbeat is answered. */
  figures(): ClusterFigures | undefined {
    if (!this.#others) return undefined
    const { nodes, clients, sentAt } = this.#others
    const all = sumCounts([clients, this.#options.figures().clients])
    return { nodes: nodes + 1, clients: all.clients, ageMs: performance.now() - sentAt }
  }

  /**
   * Whether no other process listens, as far as this one can know: then a NOTIFY would reach nobody. True only if a heartbeat
   * that was sent in the last 4 s has found neither another node nor another listener.
   */
  get isAlone(): boolean {
    const seen = this.#others
    return seen?.nodes === 0 && (seen.listeners ?? 0) <= 1 && performance.now() - seen.sentAt < ALONE_MS
  }

  /**
   * Whether another process may not know of this one, and so send it no NOTIFY: until its row has been there for longer than
   * `isAlone` of another can be out of date, and while its row may have been removed for want of heartbeats.
   */
  get mayBeUnknown(): boolean {
    const seen = this.#others
    const now = performance.now()
    return !seen || now - seen.joinedAt < KNOWN_MS || now - seen.sentAt > FORGOTTEN_MS
  }

  /** Whether this node does the work that one node does for all: its id is the smallest of those that may, as far as it knows. */
  get isFirst(): boolean {
    return this.#others?.isFirst === true && performance.now() - this.#others.sentAt < FORGOTTEN_MS
  }

  /** The clients of a stream in all other nodes, each at its last heartbeat. */
  async clientsElsewhere(stream: StreamId): Promise<Elsewhere> {
    const { database, member = true } = this.#options
    return member ? await countElsewhere(database, stream, this.id) : { clients: 0, isComplete: false }
  }

  /** The clients of a stream that the other nodes hold: those of each that belong on the page. Takes up to two seconds. */
  async listElsewhere(page: ClientPage): Promise<ListedClients> {
    const { database, member = true } = this.#options
    return member ? await askForClients(database, page, this.id) : { clients: [], isComplete: false }
  }

  /** Stops, and removes the row. Never rejects; takes a second at most. Closing twice is fine. */
  async close(): Promise<void> {
    const { database } = this.#options
    this.#eventLoop.close()
    const left = this.#heartbeats.close().then(() => this.#others && leave(database, this.id))
    await withinDeadline(left, LEAVE_DEADLINE_MS).catch(() => undefined)
  }

  async #beat(): Promise<void> {
    const { database, clientsOn } = this.#options
    const { streams, ...figures } = this.#options.figures()
    const before = this.#reported
    const reported = fairShare(streams, MAX_REPORTED_STREAMS)
    const counts = new Map(reported.map(({ id, clients }) => [id, clients]))
    const row = this.#rowOf(figures, streams.length, reported.length)
    this.#reported = undefined
    const anew = before === undefined
    const sentAt = performance.now()
    const { known, others, at, isFirst, questions, presence } = await beat(database, this.id, row, {
      anew,
      streams: changedCounts(before, counts),
    })
    this.#options.onClock?.(at - (Date.now() - (performance.now() - sentAt) / 2))
    // If the heartbeat before had no answer, it may have inserted the row; and this answer may have come late too.
    const isNew = anew || !known
    const rejoined = isNew || !this.#others || performance.now() - this.#others.sentAt > UNHELD_MS
    const joinedAt = isNew || !this.#others ? performance.now() : this.#others.joinedAt
    this.#others = { ...others, isFirst, sentAt, joinedAt }
    this.presenceStreams = presence && new Set(presence)
    if (isNew) this.joins += 1
    if (rejoined) this.#onRejoined()
    // Another node removed the row, and the counts with it.
    if (!known && !anew) return this.#beat()
    this.#reported = counts
    if (questions.length > 0)
      await answerQuestions(database, this.id, questions, page => clientsOn?.(page) ?? [])
  }

  #rowOf(
    { mode, lagMs, clients, bus, memory }: Omit<NodeFigures, 'streams'>,
    streams: number,
    reported: number,
  ): NodeRow {
    return {
      name: `${hostname()}/${process.pid}`,
      version: packageVersion(),
      mode,
      uptime_ms: Math.round(performance.now() - this.#startedAt),
      lag_ms: Math.max(0, Math.round(lagMs)),
      clients: clients.total,
      clients_by_kind: clients.byKind,
      streams,
      streams_left_out: streams - reported,
      bus: bus.status,
      bus_kind: bus.kind ?? null,
      memory_state: memory?.state ?? null,
      memory_percent: memory ? Math.round(memory.fullness * 100) : null,
      event_loop_delay_ms: Math.round(this.#eventLoop.longestMs()),
      may_be_first: this.#options.mayBeFirst ?? false,
    }
  }
}

/** The tailer and the watch of the database report that it is away, read-only or slow. */
function levelOfFailure(error: unknown): 'warn' | 'error' | undefined {
  const name = databaseFault(error)?.name
  return name === 'away' || name === 'read-only' || name === 'too-slow' ? undefined : levelOf(error)
}
