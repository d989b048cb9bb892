/**
 * The one reader of the log in a process. It turns wakes into rows and hands them to the streams in order.
 *
 * The tailer keeps a set of dirty streams: those that may have grown. While the set is not empty, each turn takes all of it
 * and reads those streams with one query; under load a turn reads more streams, and the number of queries does not grow. A
 * stream gets its rows only if they continue its head without a gap (I3) and the log still has that head, by identity: a
 * restore or a failover can lose a tail that clients have seen, and give its positions to other events (I4). Otherwise the
 * stream is restarted with the reason. A stream that is paused (scheduling/pacing.ts) becomes dirty when its pause is over.
 *
 * Wakes only make it fast (I6): a poll marks every stream dirty, every 5 s while the bus listens and every 500 ms while it
 * does not. A read that fails is tried again until it succeeds. Each poll also looks for streams that were deleted.
 */
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
import { Pacing } from './scheduling/pacing.js'

const EVENTS_PER_STREAM = 500
const BYTES_PER_STREAM = 1024 * 1024
const POLL_MS = 500
/** One poll in this many reads the log. While the bus listens, polling is only a safety net. */
const POLLED_EACH = { listening: 10, down: 1, off: 1 } as const
const RETRY_MS = { minMs: 50, maxMs: 1_000 }

/** Why the log does not continue at the head of a stream. */
export type Discontinuity = 'retention' | 'history-lost'

/** A stream that the tailer reads. */
export interface TailedStream {
  readonly id: StreamId
  /** The last event received. Must be another object after each change. */
  readonly head: Head
  /**
   * Takes the events after the head, at least one, in the order of their positions, and must move the head at once. The
   * tailer hands over no more until the returned promise, if any, has settled.
   */
  receive(events: readonly StoredEvent[]): Promise<void> | void
  /** The log does not continue at the head. The stream must continue from the head of `bounds`. */
  restart(why: Discontinuity, bounds: Bounds): void
  /** The stream was deleted from the database. */
  onDeleted(): void
}

export interface TailerOptions {
  readonly database: Database
  readonly bus: Pick<Bus, 'status'>
  readonly logger: Logger
}

export class Tailer {
  /** Paces all deliveries of the process. */
  readonly pacing = new Pacing(id => this.wake([id]))
  readonly #options: TailerOptions
  readonly #streams = new Map<StreamId, TailedStream>()
  readonly #closing = new AbortController()
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

  /** When reads began to fail, in ms since 1970; undefined while they succeed. */
  get failingSince(): number | undefined {
    return this.#failingSince
  }

  start(): void {
    this.#poll.start()
  }

  follow(stream: TailedStream): void {
    this.#streams.set(stream.id, stream)
    // The stream may have grown since its head was read.
    this.wake([stream.id])
  }

  /** The streams that are followed in this process. */
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
    this.pacing.close()
  }

  #wakeNowAndThen(): void {
    this.#polls += 1
    if (this.#polls % POLLED_EACH[this.#options.bus.status] === 0) this.wake('all')
  }

  #mark(ids: Iterable<StreamId>): void {
    for (const id of ids) if (this.#streams.has(id) && !this.pacing.postpone(id)) this.#dirty.add(id)
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
    const slice = this.pacing.slice()
    // A stream with few new events does not wait for one with many.
    for (const tail of tails.sort((few, many) => few.events.length - many.events.length)) {
      const want = asked.get(tail.streamId)
      if (want) await this.#deliver(want.stream, want.after, tail)
      if (slice.isOver) await slice.renew()
    }
  }

  async #deliver(stream: TailedStream, after: Head, { continues, events }: Tail): Promise<void> {
    // The stream is no longer followed, or another object follows it and has woken the tailer itself.
    if (this.#streams.get(stream.id) !== stream || stream.head !== after) return
    const next = after.position + 1
    const isWhole = continues && events.every((event, index) => event.position === next + index)
    const isBehind = !isWhole || mayBeCut(events)
    if (isWhole) this.#hand(stream, events, isBehind)
    else await this.#restart(stream)
    if (isBehind) this.#mark([stream.id])
  }

  #hand(stream: TailedStream, events: readonly StoredEvent[], isBehind: boolean): void {
    const delivering = this.pacing.deliver(stream.id, isBehind, () => stream.receive(events))
    // The other streams do not wait for it.
    delivering?.catch(error => this.#failed(error))
    // The stream was woken while it was being read.
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
    this.#options.logger.warn(
      { stream: stream.id, seen, bounds },
      'The log does not continue at the head of a stream.',
    )
    if (bounds) stream.restart(bounds.base.position > seen ? 'retention' : 'history-lost', bounds)
    else stream.onDeleted()
  }
}

/** Whether a page may have been cut by count or by bytes. A character takes up to three bytes. */
function mayBeCut(events: readonly StoredEvent[]): boolean {
  const characters = events.reduce((sum, event) => sum + event.data.length, 0)
  return events.length >= EVENTS_PER_STREAM || characters * 3 > BYTES_PER_STREAM - MAX_DATA_BYTES
}
