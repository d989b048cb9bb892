/**
 * The one reader of a process: turns wakes into rows, in order.
 *
 * It holds a set of dirty streams. While the set is not empty, each turn takes the whole of it and reads all those
 * streams with one query; so under load turns grow and queries do not. A stream gets its rows only when they
 * continue its head without a gap (I3) and the log still has that head, by identity: a restore or a failover can lose a
 * tail that clients have seen, and give its positions to other events (I4). Anything else ends in a restart of the stream
 * that says why. A stream that rests (rests.ts) becomes dirty afterwards.
 *
 * Wakes only make it fast (I6): a poll marks every stream dirty, each 5 s while the bus listens and each 500 ms
 * while it does not. A read that fails is tried again for ever. Each poll also looks for streams that are gone.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bus, Wake } from '../bus/bus.js'
import { levelOf } from '../database/database-fault.js'
import type { Database } from '../database/pool.js'
import { MAX_DATA_BYTES, type StoredEvent, type StreamId } from '../log/event.js'
import { findGone } from '../log/history.js'
import { type Bounds, type Head, readBounds } from '../log/log.js'
import { readTails, type Tail } from '../log/tails.js'
import type { Logger } from '../logging/logger.js'
import { Backoff } from '../process/backoff.js'
import { elapsed } from '../process/deadline.js'
import { PeriodicLoop } from '../process/periodic-loop.js'
import { Rests } from './scheduling/pacing.js'

const EVENTS_PER_STREAM = 500
const BYTES_PER_STREAM = 1024 * 1024
/** With many streams that have grown, all else that is due gets its turn in between. */
const LONGEST_TURN_MS = 5
const POLL_MS = 500
/** While the bus listens the poll is a safety net: every tenth will do. */
const POLLED_EACH = { listening: 10, down: 1, off: 1 } as const
const RETRY_MS = { minMs: 50, maxMs: 1_000 }

/** Why a stream goes on elsewhere than after its head. */
export type Discontinuity = 'retention' | 'history-lost'

/** What the tailer reads for. */
export interface TailedStream {
  readonly id: StreamId
  /** The last event received: another object with each change. */
  readonly head: Head
  /**
   * The events after the head, in position order, at least one. The head moves at once. Gets no more before the promise
   * is settled that it may return.
   */
  receive(events: readonly StoredEvent[]): Promise<void> | void
  /** The log does not continue at the head; it goes on from the bounds' head. */
  restart(why: Discontinuity, bounds: Bounds): void
  /** The stream itself is gone from the database. */
  onDeleted(): void
}

export interface TailerOptions {
  readonly database: Database
  readonly bus: Pick<Bus, 'status'>
  readonly logger: Logger
}

export class Tailer {
  readonly #options: TailerOptions
  readonly #streams = new Map<StreamId, TailedStream>()
  readonly #closing = new AbortController()
  readonly #rests = new Rests(id => this.wake([id]))
  #dirty = new Set<StreamId>()
  #polled = false
  #running: Promise<void> | undefined
  readonly #poll: PeriodicLoop
  #polls = 0
  #failingSince: number | undefined

  constructor(options: TailerOptions) {
    this.#options = options
    this.#poll = new PeriodicLoop({
      name: 'Polling the log',
      everyMs: POLL_MS,
      logger: options.logger,
      turn: () => this.#wakeNowAndThen(),
    })
  }

  /** When the first of the reads failed that are still failing, in ms since 1970; undefined while all is well. */
  get failingSince(): number | undefined {
    return this.#failingSince
  }

  start(): void {
    this.#poll.start()
  }

  follow(stream: TailedStream): void {
    this.#streams.set(stream.id, stream)
    // It may have grown between the reading of its head and now.
    this.wake([stream.id])
  }

  /** The streams that somebody in this process follows. */
  get followed(): StreamId[] {
    return [...this.#streams.keys()]
  }

  unfollow(stream: TailedStream): void {
    if (this.#streams.get(stream.id) === stream) this.#streams.delete(stream.id)
  }

  wake(wake: Wake): void {
    if (wake === 'all') {
      this.#polled = true
      this.#mark(this.#streams.keys())
    } else this.#mark(wake)
    this.#run()
  }

  async close(): Promise<void> {
    this.#poll.stop()
    this.#closing.abort()
    await this.#running
    this.#rests.close()
  }

  #wakeNowAndThen(): void {
    this.#polls += 1
    if (this.#polls % POLLED_EACH[this.#options.bus.status] === 0) this.wake('all')
  }

  #mark(ids: Iterable<StreamId>): void {
    for (const id of ids) if (this.#streams.has(id) && !this.#rests.defer(id)) this.#dirty.add(id)
  }

  #run(): void {
    if (this.#dirty.size === 0 || this.#closing.signal.aborted) return
    this.#running ??= this.#untilClean().finally(() => {
      this.#running = undefined
      this.#run()
    })
  }

  async #untilClean(): Promise<void> {
    const backoff = new Backoff(RETRY_MS)
    while (this.#dirty.size > 0 && !this.#closing.signal.aborted) {
      try {
        await this.#turn()
        this.#failingSince = undefined
        backoff.reset()
      } catch (error) {
        this.#failed(error)
        await elapsed(backoff.next(), this.#closing.signal)
      }
    }
  }

  #failed(error: unknown): void {
    if (this.#failingSince === undefined) {
      this.#options.logger[levelOf(error)](
        { err: error },
        'The log cannot be read; trying again until it can.',
      )
    }
    this.#failingSince ??= Date.now()
  }

  async #turn(): Promise<void> {
    const taken = this.#dirty
    this.#dirty = new Set()
    try {
      if (this.#polled) await this.#endGone()
      await this.#read([...taken])
    } catch (error) {
      this.#mark(taken)
      throw error
    }
  }

  async #read(ids: readonly StreamId[]): Promise<void> {
    const asked = new Map(
      ids.flatMap(id => {
        const stream = this.#streams.get(id)
        return stream ? [[id, { stream, streamId: id, after: stream.head }] as const] : []
      }),
    )
    if (asked.size === 0) return
    const { database } = this.#options
    const tails = await readTails(database, [...asked.values()], EVENTS_PER_STREAM, BYTES_PER_STREAM)
    let begun = performance.now()
    // A stream with few new events does not wait for one with many.
    for (const tail of tails.sort((few, many) => few.events.length - many.events.length)) {
      const want = asked.get(tail.streamId)
      if (want) await this.#deliver(want.stream, want.after, tail)
      if (performance.now() - begun < LONGEST_TURN_MS) continue
      await nextTurn()
      begun = performance.now()
    }
  }

  async #deliver(stream: TailedStream, after: Head, { continues, events }: Tail): Promise<void> {
    // Nobody follows it any more, or another object does, which woke the tailer for itself.
    if (this.#streams.get(stream.id) !== stream || stream.head !== after) return
    const next = after.position + 1
    const isWhole = continues && events.every((event, index) => event.position === next + index)
    const isBehind = !isWhole || mayBeCut(events)
    if (isWhole) this.#hand(stream, events, isBehind)
    else await this.#restart(stream)
    if (isBehind) this.#mark([stream.id])
  }

  #hand(stream: TailedStream, events: readonly StoredEvent[], isBehind: boolean): void {
    const start = performance.now()
    const handing = stream.receive(events)
    // A stream that is behind would fall behind more by resting, and its writes are as large as they may be.
    const rest = () => this.#rests.after(stream.id, isBehind ? 0 : performance.now() - start)
    if (handing) {
      this.#rests.hold(stream.id)
      // The others do not wait for it.
      void handing.catch(error => this.#failed(error)).then(rest)
    } else rest()
    // Woken while it was being read.
    if (this.#dirty.delete(stream.id)) this.#mark([stream.id])
  }

  async #endGone(): Promise<void> {
    const gone = await findGone(this.#options.database, [...this.#streams.keys()])
    this.#polled = false
    for (const id of gone) this.#streams.get(id)?.onDeleted()
  }

  async #restart(stream: TailedStream): Promise<void> {
    const seen = stream.head.position
    const bounds = await readBounds(this.#options.database, stream.id)
    if (this.#streams.get(stream.id) !== stream) return
    this.#options.logger.warn({ stream: stream.id, seen, bounds }, 'The log does not continue where it was.')
    if (bounds) stream.restart(bounds.base.position > seen ? 'retention' : 'history-lost', bounds)
    else stream.onDeleted()
  }
}

/** Whether a page may have been cut by count or by bytes. A character takes up to three bytes. */
function mayBeCut(events: readonly StoredEvent[]): boolean {
  const characters = events.reduce((sum, event) => sum + event.data.length, 0)
  return events.length >= EVENTS_PER_STREAM || characters * 3 > BYTES_PER_STREAM - MAX_DATA_BYTES
}
