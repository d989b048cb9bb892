/**
 * The payloads that were joined last for catching-up subscribers. Clients that come back after a restart, or read again after they
 * have stopped together, want the same events at the same time: without this each would hold a copy of them until it is collected,
 * and the allocator keeps the memory of all these copies.
 */
import { LRUCache } from 'lru-cache'
import type { StoredEvent } from '../log/event.js'
import { Payload } from '../sse/payload.js'

/** Bytes of the kept payloads and of their parts. Without this cache the parts would be freed with their page. */
const KEPT_BYTES = 4 * 1024 * 1024
/** A smaller payload costs less than to look for it. */
const MIN_BYTES = 8 * 1024

interface Joined {
  readonly parts: readonly Buffer[]
  readonly payload: Payload
}

export class SharedPayloads {
  /**
   * By the end of each payload: clients that come back at different places want the same events up to the end of a page. By its last part
   * but one, because a filter seldom passes both of the last two: clients with it and without it would replace each other's payloads.
   */
  readonly #joined = new LRUCache<Buffer, Joined>({
    maxSize: KEPT_BYTES,
    sizeCalculation: ({ payload }) => 2 * payload.chunk.length,
  })

  /**
   * The payload of these frames. A kept one is used only if it was joined from the very same buffers, or its end was, so it shows the
   * events as the caller holds them.
   */
  join(parts: readonly Buffer[], bytes: number, last: StoredEvent): Payload {
    const end = parts.at(-2) ?? parts.at(-1)
    if (!end || bytes < MIN_BYTES) return Payload.of(parts, parts.length, false, last)
    const known = this.#joined.get(end)
    if (known && known.payload.last === last && isEndOf(known.parts, parts))
      return parts.length === known.parts.length ? known.payload : known.payload.ending(bytes, parts.length)
    const payload = Payload.of(parts, parts.length, false, last)
    this.#joined.set(end, { parts, payload })
    return payload
  }

  clear(): void {
    this.#joined.clear()
  }
}

/** Whether all of `parts` are the last ones of `known`. */
function isEndOf(known: readonly Buffer[], parts: readonly Buffer[]): boolean {
  const more = known.length - parts.length
  return more >= 0 && parts.every((part, index) => part === known[more + index])
}
