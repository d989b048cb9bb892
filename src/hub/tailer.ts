/**
 * The one reader of the log in a process. It turns wakes into rows and hands them to the streams in order.
 *
 * The tailer keeps a set of dirty streams: those that may have grown. While the set is not empty, each turn takes all of it and reads
 * those streams with one query; under load a turn reads more streams, and the number of queries does not grow. A stream gets its rows
 * only if they continue its head without a gap (I3) and the log still has that head, by identity: a restore or a failover can lose a
 * tail that clients have seen, and give its positions to other events (I4). Otherwise the stream is restarted. A stream that is paused
 * (scheduling/pacing.ts) becomes dirty when its pause is over.
 *
 * Writers of this process hand over what they have committed, and the bus may bring what other processes have (carried-events.ts);
 * neither needs a read then. A stream gets such events only if they continue its head by identity; otherwise it becomes dirty. If they
 * arrive during its read, the result of the read is dropped, and read again if it had more. While it is paused, they are kept (kept-events.ts); a wake is remembered apart, for other events.
 *
 * Wakes only make it fast (I6): a poll marks every stream dirty, every 5 s, or 500 ms while the bus does not listen. A read that
 * fails is tried again. A read finds that a stream was closed, too, so a wake ends it at once; each poll also looks for deleted ones.
 */
import type { Bus, Wake } from '../bus/bus.js'
import type { Database } from '../database/pool.js'
import { type Committed, haveNoGap, isSmall } from '../log/committed.js'
import type { Position, StoredEvent, StreamId } from '../log/event.js'
import type { Head } from '../log/log.js'
import { readChangedTails, readTails, type Tail } from '../log/tails.js'
import type { Logger } from '../logging/logger.js'
import { Backoff } from '../process/backoff.js'
import { elapsed } from '../process/deadline.js'
import { follows, KeptEvents } from './kept-events.js'
import { LogOutage } from './log-outage.js'
import { LogPoll } from './log-poll.js'
import { restartStream } from './restart-stream.js'
import { Pacing } from './scheduling/pacing.js'
import type { PauseRule } from './scheduling/pause-rule.js'
import { StaleEvents } from './stale-events.js'
import { StreamEnds } from './stream-ends.js'
import { BYTES_PER_STREAM, deliveryOf, EVENTS_PER_STREAM, mayBeCut } from './tail-page.js'
import { knows, type TailedStream } from './tailed-stream.js'
import { TailerTally } from './tailer-tally.js'

export interface TailerOptions {
  readonly database: Database
  readonly bus: Pick<Bus, 'status'>
  readonly logger: Logger
  /** The length of pauses; default: that of `latency`. */
  readonly pauseRule?: Pick<PauseRule, 'pauseAfter'>
}

export class Tailer {
  readonly tally = new TailerTally()
  /** Paces all deliveries of the process. */
  readonly pacing: Pacing
  readonly #options: TailerOptions
  readonly #streams = new Map<StreamId, TailedStream>()
  readonly #closing = new AbortController()
  #dirty = new Set<StreamId>()
  /** Woken while they were held back. */
  readonly #unread = new Set<StreamId>()
  readonly #kept = new KeptEvents()
  readonly #stale = new StaleEvents()
  /** Changes when stored events were changed: a read that began before is repeated. */
  #edition = 0
  readonly ends = new StreamEnds(this.#streams, stream => this.unfollow(stream))
  #running: Promise<void> | undefined
  readonly poll: LogPoll
  readonly #outage: LogOutage

  constructor(options: TailerOptions) {
    this.#options = options
    this.pacing = new Pacing(id => this.#resume(id), options.pauseRule)
    this.#outage = new LogOutage(options.logger)
    this.poll = new LogPoll({ ...options, poll: () => this.wake('all') })
  }

  /** When reads began to fail, in ms since 1970; undefined while they succeed. */
  get failingSince(): number | undefined {
    return this.#outage.since
  }

  start = () => this.poll.start()

  follow(stream: TailedStream): void {
    this.#streams.set(stream.id, stream)
    // The stream may have grown since its head was read.
    this.wake([stream.id])
  }

  /** The streams that are followed in this process. */
  get streams(): TailedStream[] {
    return [...this.#streams.values()]
  }

  headOf(id: StreamId): Head | undefined {
    return this.#streams.get(id)?.head
  }

  unfollow(stream: TailedStream): void {
    if (this.#streams.get(stream.id) !== stream) return
    for (const set of [this.#streams, this.#unread]) set.delete(stream.id)
    this.#kept.take(stream.id)
  }

  /** Takes and counts events after their COMMIT. Those that continue no head, or do not fit into one slice of the event loop, are read. */
  take(committed: readonly Committed[], counts = { taken: 0, read: 0 }): void {
    const slice = this.pacing.slice()
    for (const each of committed) {
      if (!this.#streams.has(each.streamId)) continue
      const isTaken = !slice.isOver && !this.#stale.has(each) && this.#take(each)
      counts[isTaken ? 'taken' : 'read'] += each.events.length
      if (!isTaken) this.#mark([each.streamId])
    }
    this.#run()
  }

  /** Stored events up to a position of a stream, or all events, were changed: drops them, so that they are read again. */
  forget(changed: StreamId | 'all', upTo = Number.MAX_SAFE_INTEGER as Position): void {
    this.#edition += 1
    for (const id of changed === 'all' ? this.#streams.keys() : [changed]) {
      this.#stale.note(id, upTo)
      if (this.#kept.take(id)) this.#unread.add(id)
      this.#streams.get(id)?.forget?.(upTo)
    }
  }

  wake(wake: Wake): void {
    if (wake === 'all') this.ends.expect()
    this.#mark(wake === 'all' ? this.#streams.keys() : wake)
    this.#run()
  }

  async close(): Promise<void> {
    this.poll.stop()
    this.#closing.abort()
    await this.#running
    this.pacing.close()
  }

  #mark(ids: Iterable<StreamId>): void {
    for (const id of ids) {
      const stream = this.#streams.get(id)
      if (!stream) continue
      const set = this.pacing.postpone(id) ? this.#unread : this.#dirty
      set.add(id)
      if (set === this.#dirty) this.tally.woken(stream)
    }
  }

  #resume(id: StreamId): void {
    const kept = this.#kept.take(id)
    const needsNoRead = !kept || this.#take(kept)
    if (this.#unread.delete(id) || !needsNoRead) this.#mark([id])
    this.#run()
  }

  /** @returns whether the events need no read. */
  #take(committed: Committed): boolean {
    const { streamId, events } = committed
    const stream = this.#streams.get(streamId)
    if (!stream || this.#closing.signal.aborted) return true
    if (this.pacing.postpone(streamId)) return this.#kept.keep(committed)
    if (!isSmall(events) || !follows(stream.head, committed)) return knows(stream, events)
    try {
      this.#hand(stream, events, false)
    } catch (error) {
      this.#outage.failed(error)
      return false
    }
    return true
  }

  #run(): void {
    if (this.#dirty.size === 0 || this.#closing.signal.aborted) return
    this.#running ??= this.#untilClean().finally(() => {
      this.#running = undefined
      this.#run()
    })
  }

  async #untilClean(): Promise<void> {
    const backoff = new Backoff({ minMs: 50, maxMs: 1_000 })
    while (this.#dirty.size > 0 && !this.#closing.signal.aborted) {
      try {
        await this.#turn()
        this.#outage.end()
        backoff.reset()
      } catch (error) {
        this.#outage.failed(error)
        await elapsed(backoff.next(), this.#closing.signal)
      }
    }
  }

  async #turn(): Promise<void> {
    const taken = this.#dirty
    this.#dirty = new Set()
    try {
      const endClosed = await this.ends.find(this.#options.database)
      await this.tally.timed(() => this.#read([...taken]))
      endClosed()
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
    const [edition, isPoll] = [this.#edition, 2 * asked.size > this.#streams.size]
    const read = isPoll ? readChangedTails : readTails
    const tails = await read(this.#options.database, [...asked.values()], EVENTS_PER_STREAM, BYTES_PER_STREAM)
    if (edition !== this.#edition) return this.#mark(asked.keys())
    this.#stale.clear(asked.keys(), tails)
    const slice = this.pacing.slice()
    // A stream with few new events does not wait for one with many.
    for (const tail of tails.sort((few, many) => few.events.length - many.events.length)) {
      const want = asked.get(tail.streamId)
      if (want) await this.#deliver(want.stream, want.after, tail)
      if (slice.isOver) await slice.renew()
    }
  }

  async #deliver(stream: TailedStream, after: Head, { continues, events, closed }: Tail): Promise<void> {
    // The stream is no longer followed, or another object follows it and has woken the tailer itself.
    if (this.#streams.get(stream.id) !== stream) return
    // Events were handed over during the read.
    if (stream.head !== after || this.pacing.postpone(stream.id)) {
      if (closed || !continues || !knows(stream, events)) this.#mark([stream.id])
      return
    }
    const isWhole = continues && haveNoGap(after, events)
    const isBehind = !isWhole || mayBeCut(events)
    this.tally.brought(events)
    if (isWhole && events.length > 0) this.#hand(stream, events, isBehind)
    else if (!isWhole)
      await restartStream(stream, this.#options, this.ends, () => this.#streams.get(stream.id) === stream)
    if (isBehind) this.#mark([stream.id])
    else if (closed) stream.onClosed?.()
  }

  #hand(stream: TailedStream, events: readonly StoredEvent[], isBehind: boolean): void {
    const delivering = this.pacing.deliver(deliveryOf(stream, events, isBehind), () => stream.receive(events))
    // The other streams do not wait for it.
    delivering?.catch(error => this.#outage.failed(error))
    // The stream was woken while it was being read.
    if (this.#dirty.delete(stream.id)) this.#mark([stream.id])
  }
}
