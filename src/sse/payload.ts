import type { StoredEvent } from '../log/event.js'

const CRLF = '\r\n'

/**
 * Bytes for many clients, made once and shared, in the two forms that connections need: plain, and as one chunk of
 * HTTP/1.1's chunked coding (RFC 9112 §7.1). The plain form is a view into the chunk.
 */
export class Payload {
  private constructor(
    /** The whole chunk; without its first line if that is `chunkStart`. */
    readonly chunk: Buffer,
    readonly bytes: Buffer,
    /** How many blocks it was made of, such as events. */
    readonly parts: number,
    /** Whether its blocks say that the client has reached the head. */
    readonly saysHead: boolean,
    /** The last event that it shows to its clients, if it consists of events. */
    readonly last: StoredEvent | undefined,
    /** The line with the length, to be written first, if the rest is the end of a longer payload's chunk. */
    readonly chunkStart?: Buffer,
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
    const head = chunkStartOf(length)
    const chunk = Buffer.allocUnsafe(head.length + length + CRLF.length)
    let offset = chunk.write(head, 'latin1')
    for (const part of parts) {
      chunk.set(part, offset)
      offset += part.length
    }
    chunk.write(CRLF, offset, 'latin1')
    return new Payload(chunk, chunk.subarray(head.length, offset), count, saysHead, last)
  }

  /** The end of this payload, without a copy of its bytes. @param count how many blocks these bytes are. */
  ending(length: number, count: number): Payload {
    const bytes = this.bytes.subarray(this.bytes.length - length)
    const chunk = this.chunk.subarray(this.chunk.length - length - CRLF.length)
    const chunkStart = Buffer.from(chunkStartOf(length), 'latin1')
    return new Payload(chunk, bytes, count, this.saysHead, this.last, chunkStart)
  }

  static text(text: string): Payload {
    return Payload.of([Buffer.from(text)])
  }
}

/** The length of a chunk in hexadecimal digits, as a line. */
function chunkStartOf(length: number): string {
  return `${length.toString(16)}${CRLF}`
}
