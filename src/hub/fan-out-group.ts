/**
 * The live subscriptions of one stream that read the same encoding through the same filter: what one of them gets,
 * all get, so that it is put together once.
 */
import type { StoredEvent } from '../log/event.js'
import type { TypeFilter } from '../log/type-filter.js'
import type { Encoding } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'
import { HIGH_WATER_BYTES } from '../sse/sink.js'
import type { Cursor } from './cursor.js'
import type { EventFrames } from './event-frames.js'

/** So that looking at the clock costs nothing, and a client that takes whole payloads no more than a millisecond. */
const MEMBERS_PER_STEP = 16

export interface Member {
  /**
   * All that its filter lets through after an event, up to another: nothing, when `payload` is undefined. A member
   * that has joined while others were being served has got some of it already, or all.
   */
  receive(payload: Payload | undefined, after: Cursor, upTo: StoredEvent): void
}

export class FanOutGroup {
  readonly members = new Set<Member>()

  constructor(
    readonly encoding: Encoding,
    readonly filter: TypeFilter | undefined,
  ) {}

  /**
   * In steps of a few members: there may be thousands.
   * @param before the event before the first frame.
   */
  *send(frames: readonly EventFrames[], before: Cursor): Generator<void> {
    let served = 0
    for (const { payload, after, upTo } of payloads(frames, before, this.encoding, this.filter)) {
      for (const member of this.members) {
        member.receive(payload, after, upTo)
        served += 1
        if (served % MEMBERS_PER_STEP === 0) yield
      }
    }
  }
}

/** Frames put together for one write each, none much above the high-water mark: so no write is out of bounds (I5). */
export function* payloads(
  frames: readonly EventFrames[],
  before: Cursor,
  encoding: Encoding,
  filter: TypeFilter | undefined,
): Generator<{ payload: Payload | undefined; after: Cursor; upTo: StoredEvent }> {
  let after = before
  let parts: Buffer[] = []
  let bytes = 0
  for (const [index, frame] of frames.entries()) {
    if (!filter || filter.matches(frame.event.type)) {
      const part = frame.in(encoding)
      if (part.length > 0) parts.push(part)
      bytes += part.length
    }
    if (index === frames.length - 1 || bytes >= HIGH_WATER_BYTES) {
      yield { payload: parts.length > 0 ? Payload.of(parts) : undefined, after, upTo: frame.event }
      after = frame.event
      parts = []
      bytes = 0
    }
  }
}
