/**
 * Brings one subscription from its cursor to the head of its stream, as fast as its sink drains. It goes by steps: wait
 * for room, write what comes next, or join those who are live. What comes next is taken from where it costs least:
 *
 * - the recent frames, if they reach back that far;
 * - far from the head, filtered pages, where the filter lets little through. Where it does not, the pages show when it
 *   does again, so that a filter that lets much through costs no more than none. The client's cursor is moved on after
 *   each filtered page, so that who is cut off in the middle of a long log goes on there;
 * - else the pages that all clients share.
 *
 * Whatever it is, it continues the cursor by identity and without a gap, or the log itself is asked for the cursor: if it
 * has none, the stream says `reset` (I4). While the log cannot be read the stream stays open, and it is tried again.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { databaseFault } from '../database/database-fault.js'
import type { StoredEvent } from '../log/event.js'
import type { Bounds } from '../log/log.js'
import type { TypeFilter } from '../log/type-filter.js'
import type { Logger } from '../logging/logger.js'
import type { Encoding, Notice } from '../sse/encoding.js'
import type { Payload } from '../sse/payload.js'
import type { Sink } from '../sse/sink.js'
import { type Cursor, isAt } from './cursor.js'
import type { EventFrames } from './event-frames.js'
import { payloads } from './fan-out-group.js'
import type { HubStream } from './hub-stream.js'
import { lossOf, type Starts } from './start.js'
import type { Discontinuity } from './tailer.js'

const READ_AGAIN_MS = 500
const UNREADABLE: Notice = {
  name: 'error',
  data: { message: 'The log cannot be read; it is tried again.', code: 'unreadable' },
}
/** A filter lets little through while it is one event in so many, at most. */
const SPARSE = 8

/** The subscription that catches up. */
export interface Latecomer {
  readonly cursor: Cursor
  /** False as soon as it is live or closed. */
  readonly catchingUp: boolean
  /** Grows with each restart of the stream: what was read before one must not be written after it. */
  readonly restarts: number
  /** Writes what comes next, and moves the cursor. */
  advance(payload: Payload | undefined, upTo: StoredEvent): void
  /** To be called when the cursor is at the head. */
  joinLive(): void
  /** Goes back to the last place that the client knows; false where the cursor is that. */
  stepBack(): boolean
  /** Goes on at the bounds' head, and says so. */
  reset(why: Discontinuity, bounds: Bounds): void
  say(notice: Notice): void
  /** Lets the client keep the cursor where its last event is not the one at it. */
  sayCursor(): void
}

export interface CatchUpOptions {
  readonly stream: HubStream
  readonly starts: Starts
  readonly sink: Sink
  readonly encoding: Encoding
  readonly filter: TypeFilter | undefined
  readonly logger: Logger
}

export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #stream: HubStream
  readonly #sink: Sink
  readonly #latecomer: Latecomer
  #sparse = true

  constructor(options: CatchUpOptions, latecomer: Latecomer) {
    this.#options = options
    this.#stream = options.stream
    this.#sink = options.sink
    this.#latecomer = latecomer
  }

  /** Resolves when the subscription is live or closed; never rejects. */
  async run(): Promise<void> {
    const { logger } = this.#options
    let failing = false
    while (this.#latecomer.catchingUp) {
      try {
        await this.#step()
        failing = false
      } catch (error) {
        if (!failing) {
          if (!databaseFault(error)) logger.error({ err: error }, 'A subscription cannot read its stream.')
          this.#latecomer.say(UNREADABLE)
        }
        failing = true
        // The stream stays open, with heartbeats, until the log can be read again.
        await pause(READ_AGAIN_MS)
      }
    }
  }

  /** One step on the way: wait for room, join, wait for the tailer, or write what comes next. */
  async #step(): Promise<void> {
    const { cursor } = this.#latecomer
    const { head } = this.#stream
    if (this.#sink.full) await this.#sink.drained()
    else if (isAt(cursor, head)) this.#latecomer.joinLive()
    else if (cursor.position >= head.position) await this.#seekHead()
    else await this.#writeNext()
  }

  /** The client has seen more through another process than the tailer of this one; or one of them has seen what is lost. */
  async #seekHead(): Promise<void> {
    const { cursor } = this.#latecomer
    if (cursor.position > this.#stream.head.position)
      await this.#stream.grown(AbortSignal.timeout(READ_AGAIN_MS))
    if (cursor.position >= this.#stream.head.position && !isAt(cursor, this.#stream.head))
      await this.#askLog()
  }

  async #writeNext(): Promise<void> {
    const { restarts } = this.#latecomer
    const goesOn = () => this.#latecomer.catchingUp && restarts === this.#latecomer.restarts
    await this.#turn()
    if (!goesOn()) return
    const recent = this.#stream.recent.after(this.#latecomer.cursor)
    const frames = recent ?? (await this.#readNext())
    // Thousands may have waited for the same page.
    if (!recent) await this.#turn()
    if (!goesOn()) return
    if (frames.length > 0) await this.#writeFrames(frames)
    else await this.#askLog()
  }

  /** Those who catch up must not keep the event loop to themselves, however fast or many they are (I5). */
  #turn(): Promise<void> {
    return this.#stream.pacing.turn()
  }

  /** Of the log, what comes next; nothing where it has a gap, or has lost the cursor. */
  async #readNext(): Promise<readonly EventFrames[]> {
    const { filter, starts } = this.#options
    const { cursor } = this.#latecomer
    const filtered = filter && this.#sparse && (await starts.pages.matching(this.#stream, cursor, filter))
    if (filtered) return filtered
    const page = await starts.pages.after(this.#stream, cursor)
    if (page[0]?.position !== cursor.position + 1) return []
    if (filter) this.#sparse = count(page, filter) * SPARSE <= page.length
    return page
  }

  async #writeFrames(frames: readonly EventFrames[]): Promise<void> {
    const { encoding, filter } = this.#options
    const { cursor, restarts } = this.#latecomer
    for (const { payload, upTo } of payloads(frames, cursor, encoding, filter)) {
      if (this.#sink.full) {
        await this.#sink.drained()
        await this.#turn()
      }
      if (!this.#latecomer.catchingUp || restarts !== this.#latecomer.restarts) return
      this.#latecomer.advance(payload, upTo)
    }
    const skipped = frames.length < this.#latecomer.cursor.position - cursor.position
    if (skipped) this.#latecomer.sayCursor()
  }

  /** Nothing continues the cursor: does the log itself have it? Retention may have been faster, or its tail is lost. */
  async #askLog(): Promise<void> {
    const { cursor, restarts } = this.#latecomer
    const place = await this.#options.starts.place(this.#stream.id, cursor.position)
    if (!this.#latecomer.catchingUp || restarts !== this.#latecomer.restarts) return
    const why = lossOf(cursor, place)
    if (why !== 'retention') this.#stream.verify()
    // What the client has been sent may still be there: it is only its filter that has passed over what is lost.
    if (why === 'history-lost' && this.#latecomer.stepBack()) return
    if (why) this.#latecomer.reset(why, place)
    // The log has it, so the stream's head is lost, or what was kept of the log: both are being looked at.
    else await this.#stream.grown(AbortSignal.timeout(READ_AGAIN_MS))
  }
}

function count(frames: readonly EventFrames[], filter: TypeFilter): number {
  return frames.reduce((sum, { event }) => sum + Number(filter.matches(event.type)), 0)
}
