/**
 * The live subscriptions of one stream that read the same encoding through the same filter. All of them get the same bytes,
 * so each payload is built once.
 */
import type { StoredEvent } from '../log/event.js'
import type { EventFilter } from '../log/event-filter.js'
import type { Encoding } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'
import { HIGH_WATER_BYTES } from '../sse/sink.js'
import { type Cursor, isAt } from './cursor.js'
import type { EventFrames } from './event-frames.js'
import type { SharedPayloads } from './shared-payloads.js'

/** Enough that reading the clock between steps costs nothing, and few enough that a step takes a millisecond at most. */
const MEMBERS_PER_STEP = 16
/** Data that a filter on the content judges in one step. */
const CHARACTERS_PER_STEP = 64 * 1024

export interface Member {
  /**
   * Takes all events between `after` and `upTo` that match its filter; none match if `payload` is undefined. A member that
   * joined while others were being served may have some or all of them already.
   */
  receive(payload: Payload | undefined, after: Cursor, upTo: StoredEvent): void
}

export class FanOutGroup {
  readonly members = new Set<Member>()

  constructor(
    readonly encoding: Encoding,
    readonly filter: EventFilter | undefined,
  ) {}

  /**
   * Hands the frames to all members, a few in each step, because there may be thousands. Each group ends with a step, because
   * there may be thousands of groups too.
   * @param before the event before the first frame. The last frame is that of the stream's head.
   */
  *send(frames: readonly EventFrames[], before: Cursor): Generator<void> {
    if (this.filter?.where) yield* judge(frames, this.filter)
    const stream = { head: frames.at(-1)?.event ?? before }
    let served = 0
    for (const { payload, after, upTo } of payloads(frames, before, stream, this.encoding, this.filter)) {
      for (const member of this.members) {
        member.receive(payload, after, upTo)
        served += 1
        if (served % MEMBERS_PER_STEP === 0) yield
      }
    }
    yield
  }
}

/** Judges the content of the frames; each of them remembers the verdict. */
function* judge(frames: readonly EventFrames[], filter: EventFilter): Generator<void> {
  let characters = 0
  for (const frame of frames) {
    frame.matches(filter)
    characters += frame.event.data.length
    if (characters < CHARACTERS_PER_STEP) continue
    characters = 0
    yield
  }
}

/**
 * Joins frames into payloads. None is much larger than the high-water mark, so every write is bounded (I5).
 * @param stream its head is read before each payload, because it may have moved.
 * @param shared finds payloads that another caller has already joined from the same frames.
 */
export function* payloads(
  frames: readonly EventFrames[],
  before: Cursor,
  stream: { readonly head: Cursor },
  encoding: Encoding,
  filter: EventFilter | undefined,
  shared?: SharedPayloads,
): Generator<{ payload: Payload | undefined; after: Cursor; upTo: StoredEvent }> {
  let after = before
  let parts: Buffer[] = []
  let bytes = 0
  let last: EventFrames | undefined
  let left = frames.length
  for (const frame of frames) {
    left -= 1
    if (!frame.isPassedOver && (!filter || frame.matches(filter))) {
      const part = frame.in(encoding)
      if (part.length > 0) {
        parts.push(part)
        last = frame
      }
      bytes += part.length
    }
    if (left === 0 || bytes >= HIGH_WATER_BYTES) {
      const upTo = frame.event
      const isHead = isAt(upTo, stream.head)
      yield { payload: payloadOf({ parts, bytes, last, encoding, isHead, shared }), after, upTo }
      after = frame.event
      parts = []
      bytes = 0
    }
  }
}

interface Joining {
  readonly parts: readonly Buffer[]
  readonly bytes: number
  /** The event of the last part. Clients learn of no later place, because the log may lose events that they never get. */
  readonly last: EventFrames | undefined
  readonly encoding: Encoding
  readonly isHead: boolean
  readonly shared: SharedPayloads | undefined
}

function payloadOf({ parts, bytes, last, encoding, isHead, shared }: Joining): Payload | undefined {
  if (!last || parts.length === 0) return undefined
  const { event } = last
  const { assemble } = encoding
  if (assemble) return Payload.of(assemble(parts, event, isHead), parts.length, isHead, event)
  const own = parts.length === 1 ? last.payloadIn(encoding) : undefined
  return own ?? shared?.join(parts, bytes, event) ?? Payload.of(parts, parts.length, false, event)
}
