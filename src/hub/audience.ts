/**
 * The live subscriptions of one stream that read the same encoding through the same filter: what one of them gets,
 * all get, so that it is put together once.
 */
import type { StoredEvent } from '../events/event.js'
import type { TypeFilter } from '../events/type-filter.js'
import type { Encoding } from '../sse/encoding.js'
import { Payload } from '../sse/payload.js'
import { HIGH_WATER_BYTES } from '../sse/sink.js'
import type { EventFrames } from './event-frames.js'

export interface Member {
  /** All that its filter lets through up to an event: nothing, when `payload` is undefined. */
  receive(payload: Payload | undefined, upTo: StoredEvent): void
}

export class Audience {
  readonly members = new Set<Member>()

  constructor(
    readonly encoding: Encoding,
    readonly filter: TypeFilter | undefined,
  ) {}

  send(frames: readonly EventFrames[]): void {
    for (const { payload, upTo } of payloads(frames, this.encoding, this.filter)) {
      for (const member of this.members) member.receive(payload, upTo)
    }
  }
}

/** Frames put together for one write each, none much above the high-water mark: so no write is out of bounds (I5). */
export function* payloads(
  frames: readonly EventFrames[],
  encoding: Encoding,
  filter: TypeFilter | undefined,
): Generator<{ payload: Payload | undefined; upTo: StoredEvent }> {
  let parts: Buffer[] = []
  let bytes = 0
  for (const [index, frame] of frames.entries()) {
    if (!filter || filter.matches(frame.event.type)) {
      const part = frame.in(encoding)
      if (part.length > 0) parts.push(part)
      bytes += part.length
    }
    if (index === frames.length - 1 || bytes >= HIGH_WATER_BYTES) {
      yield { payload: parts.length > 0 ? Payload.of(parts) : undefined, upTo: frame.event }
      parts = []
      bytes = 0
    }
  }
}
