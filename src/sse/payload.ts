import type { StoredEvent } from '../log/event.js'

/**
 * Bytes for many clients, made once and shared, in the two forms that connections need: plain, and as one chunk of
 * HTTP/1.1's chunked coding (RFC 9112 §7.1). The plain form is a view into the chunk.
 */
export class Payload {
  private constructor(
    readonly chunk: Buffer,
    readonly bytes: Buffer,
    /** How many blocks it was made of, such as events. */
    readonly parts: number,
    /** Whether its blocks say that the client has reached the head. */
    readonly saysHead: boolean,
    /** The last event that it shows to its clients, if it consists of events. */
    readonly last: StoredEvent | undefined,
  ) {}

  /** @param count how many blocks the parts are; default: each is one. */
  static of(
    parts: readonly Uint8Array[],
    count = parts.length,
    saysHead = false,
    last?: StoredEvent,
  ): Payload {
    let length = 0
    for (const part of parts) length += part.length
    if (length === 0) throw new RangeError('An empty chunk would end the response.')
    const head = `${length.toString(16)}\r\n`
    const chunk = Buffer.allocUnsafe(head.length + length + 2)
    let offset = chunk.write(head, 'latin1')
    for (const part of parts) {
      chunk.set(part, offset)
      offset += part.length
    }
    chunk.write('\r\n', offset, 'latin1')
    return new Payload(chunk, chunk.subarray(head.length, offset), count, saysHead, last)
  }

  static text(text: string): Payload {
    return Payload.of([Buffer.from(text)])
  }
}
