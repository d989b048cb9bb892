/**
 * Reads the events of a lane: those after a cursor that match the endpoint's filter, from the source that costs least
 * (src/hub/next-frames.ts). Endpoints at the same place share what is read. Everything that it returns continues the cursor by
 * identity (I4); if nothing does, it looks for the cursor in the log itself, as a subscription does.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../../database/pool.js'
import { type Cursor, isAt } from '../../hub/cursor.js'
import type { EventFrames } from '../../hub/event-frames.js'
import type { HubStream } from '../../hub/hub-stream.js'
import { NextFrames } from '../../hub/next-frames.js'
import { lossOf, type Starts } from '../../hub/start.js'
import type { Discontinuity } from '../../hub/tailed-stream.js'
import { isDelivered, type StoredEvent, type StreamId } from '../../log/event.js'
import type { EventFilter } from '../../log/event-filter.js'
import { type Place, readEvent } from '../../log/log.js'

/** Data that the filter judges in one turn of the event loop. */
const CHARACTERS_PER_TURN = 256 * 1024

export type Read =
  /** `reached`: everything up to there is read. `events` may be empty. */
  | {
      readonly kind: 'events'
      readonly events: readonly StoredEvent[]
      readonly reached: Required<Cursor>
      readonly edition: number
    }
  | { readonly kind: 'at-head' }
  /**
   * The read gave no answer, because this process is behind the log or stored events have changed meanwhile: read again when the
   * stream has grown, or after a moment.
   */
  | { readonly kind: 'behind' }
  | { readonly kind: 'lost'; readonly why: Discontinuity; readonly place: Place }

export interface LaneReaderOptions {
  readonly stream: HubStream
  readonly starts: Starts
  /** The connections for events that are read one by one. */
  readonly database: Database
  readonly filter: EventFilter | undefined
}

export class LaneReader {
  readonly #options: LaneReaderOptions
  readonly #next: NextFrames

  constructor(options: LaneReaderOptions) {
    this.#options = options
    this.#next = new NextFrames(options.stream, options.starts.pages, options.filter, undefined)
  }

  get stream(): StreamId {
    return this.#options.stream.id
  }

  /** Changes when stored events of the stream were changed or lost: events that were read before must not be sent. */
  get edition(): number {
    return this.#options.stream.edition
  }

  /** @param most events, at least 1. @throws while the log cannot be read. */
  async after(cursor: Cursor, most: number): Promise<Read> {
    const { stream } = this.#options
    if (isAt(cursor, stream.head)) return { kind: 'at-head' }
    if (cursor.position >= stream.head.position) return await this.#askLog(cursor)
    const { edition } = stream
    const isWanted = () => edition === stream.edition
    const frames = await this.#next.after(cursor, isWanted)
    if (!isWanted()) return { kind: 'behind' }
    if (frames.length === 0) return await this.#askLog(cursor)
    return await this.#matching(frames, cursor, most)
  }

  /** The event as the log has it now; undefined if the endpoint does not want it; `gone` if the log no longer has it. */
  async event({ position, eventId }: Required<Cursor>): Promise<StoredEvent | 'gone' | undefined> {
    const event = await readEvent(this.#options.database, this.#options.stream.id, position)
    if (event?.eventId !== eventId) return 'gone'
    if (!isDelivered(event)) return undefined
    return this.#options.filter?.matches(event) === false ? undefined : event
  }

  /** Judges many bytes of data in several turns of the event loop (I5). */
  async #matching(frames: readonly EventFrames[], cursor: Cursor, most: number): Promise<Read> {
    const { filter, stream } = this.#options
    const { edition } = stream
    const events: StoredEvent[] = []
    let reached: StoredEvent | undefined
    let characters = 0
    for (const frame of frames) {
      if (frame.position <= cursor.position) continue
      reached = frame.event
      if (!frame.isPassedOver && (!filter || frame.matches(filter))) events.push(frame.event)
      if (events.length === most) break
      characters += filter?.where ? frame.event.data.length : 0
      if (characters < CHARACTERS_PER_TURN) continue
      characters = 0
      await nextTurn()
    }
    if (!reached || edition !== stream.edition) return { kind: 'behind' }
    const { position, eventId } = reached
    return { kind: 'events', events, reached: { position, eventId }, edition }
  }

  /** Asks the log itself what follows a cursor whose next event is gone, whatever this process still has in memory. */
  async verify(cursor: Cursor): Promise<Read> {
    return await this.#askLog(cursor)
  }

  /** Nothing continues the cursor: retention may have been faster, the log has lost its tail, or this process is behind. */
  async #askLog(cursor: Cursor): Promise<Read> {
    const { stream, starts } = this.#options
    const place = await starts.place(stream, cursor.position)
    const why = lossOf(cursor, place)
    const isAhead = why === undefined && cursor.position > stream.head.position
    if (why !== 'retention' && !isAhead) stream.verify()
    return why ? { kind: 'lost', why, place } : { kind: 'behind' }
  }
}
