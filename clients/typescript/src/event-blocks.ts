/**
 * Reads the blocks of an event stream (WHATWG HTML §9.2.6) from its bytes. eventsource-parser reads the fields; this file gives it
 * whole lines that end in LF, because the parser waits for the byte after a CR, and keeps what the parser drops: the ids of blocks
 * without data, and the earlier id of a block that has an invalid one too.
 */
import { createParser } from 'eventsource-parser'
import { ProtocolError } from './errors.js'

/** What stands between two blank lines. */
export interface Block {
  /** The last event id after this block; '' before the first one. */
  readonly id: string
  /** Whether the id is its own, and not that of an earlier block. */
  readonly hasId: boolean
  /** '' if the block names none. */
  readonly event: string
  /** Undefined if the block has no data: it then dispatches nothing, but its id counts. */
  readonly data: string | undefined
}

export interface BlockHandlers {
  readonly maxEventBytes: number
  /** The reconnection time that the server asks for, in milliseconds. */
  onRetry(ms: number): void
  onComment?: ((text: string) => void) | undefined
}

const LF = 10
const CR = 13
const BOM = /^\uFEFF/

/**
 * @param lastEventId the last event id before the first block.
 * @returns a function that takes the next bytes and returns the blocks that they complete. A cut block at the end of the bytes is
 * never returned. It throws a ProtocolError if a block is larger than `maxEventBytes`.
 */
export function blockReader(lastEventId: string, { maxEventBytes, onRetry, onComment }: BlockHandlers) {
  let id = lastEventId
  let hasId = false
  let message: { event?: string | undefined; data: string } | undefined
  /** The beginning of the current line, from earlier bytes. */
  const begun = new GrowingBytes()
  let blockBytes = 0
  let afterCr = false
  let isFirstLine = true
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const parser = createParser({
    onEvent(event) {
      message = event
    },
    onRetry,
    onComment,
  })
  // Its own check for a byte order mark would remove other characters from the first chunk.
  parser.feed('')

  const endLine = (bytes: Uint8Array): Block | undefined => {
    let text = decoder.decode(begun.length === 0 ? bytes : begun.takeWith(bytes))
    if (isFirstLine) text = text.replace(BOM, '')
    isFirstLine = false
    const [, value] = /^id(?:: ?(.*))?$/s.exec(text) ?? []
    if (text === 'id' || value !== undefined) {
      if (value?.includes('\0')) return
      id = value ?? ''
      hasId = true
      return
    }
    parser.feed(`${text}\n`)
    if (text !== '') return
    const block = { id, hasId, event: message?.event ?? '', data: message?.data }
    message = undefined
    hasId = false
    blockBytes = 0
    return block
  }

  return (bytes: Uint8Array): Block[] => {
    const blocks: Block[] = []
    let start = 0
    if (afterCr && bytes[0] === LF) start = 1
    if (bytes.length > 0) afterCr = false
    let cr = bytes.indexOf(CR, start)
    let lf = bytes.indexOf(LF, start)
    while (cr !== -1 || lf !== -1) {
      const endsInCr = cr !== -1 && (lf === -1 || cr < lf)
      const end = endsInCr ? cr : lf
      blockBytes += end - start
      checkSize()
      const block = endLine(bytes.subarray(start, end))
      if (block) blocks.push(block)
      start = end + 1
      if (endsInCr) {
        if (start === bytes.length) afterCr = true
        else if (bytes[start] === LF) start++
      }
      if (cr !== -1 && cr < start) cr = bytes.indexOf(CR, start)
      if (lf !== -1 && lf < start) lf = bytes.indexOf(LF, start)
    }
    if (start < bytes.length) {
      blockBytes += bytes.length - start
      checkSize()
      begun.push(bytes.subarray(start))
    }
    return blocks
  }

  function checkSize() {
    if (blockBytes <= maxEventBytes) return
    throw new ProtocolError(
      'event-too-large',
      `The stream has an event of more than ${maxEventBytes} bytes. Raise maxEventBytes, or ask the publisher for smaller events.`,
    )
  }
}

/** Bytes that arrive in pieces, in one buffer that doubles: a line costs linear time and space however small the pieces are. */
class GrowingBytes {
  length = 0
  #buffer = new Uint8Array(1_024)

  push(bytes: Uint8Array): void {
    const length = this.length + bytes.length
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length))
      larger.set(this.#buffer.subarray(0, this.length))
      this.#buffer = larger
    }
    this.#buffer.set(bytes, this.length)
    this.length = length
  }

  /** @returns all bytes, with these as the last; valid until the next push. Afterwards it is empty, and a large buffer is dropped. */
  takeWith(bytes: Uint8Array): Uint8Array {
    this.push(bytes)
    const whole = this.#buffer.subarray(0, this.length)
    this.length = 0
    if (this.#buffer.length > 65_536) this.#buffer = new Uint8Array(1_024)
    return whole
  }
}
