/**
 * Reads the blocks of an event stream (WHATWG HTML §9.2.6) from its bytes. eventsource-parser reads the fields; this file gives it
 * whole lines that end in LF, because the parser waits for the byte after a CR, and keeps what the parser drops: the ids of blocks
 * without data, and the earlier id of a block that has an invalid one too.
 */
import { createParser } from 'eventsource-parser'
import { ProtocolError } from './errors.js'

/** The content between two blank lines. */
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

/**
 * @param id the last event id before the first block.
 * @returns a function that takes the next bytes and yields the blocks that they complete. A cut block at the end of the bytes is
 * never yielded. It throws a ProtocolError if a block is larger than `maxEventBytes`.
 */
export function blockReader(id: string, { maxEventBytes, onRetry, onComment }: BlockHandlers) {
  let hasId = false
  let message: { event?: string | undefined; data: string } | undefined
  /** The beginning of the current line, from earlier bytes: `begun` bytes of a buffer that doubles, so that a line costs linear time. */
  let buffer = new Uint8Array(1_024)
  let begun = 0
  let blockBytes = 0
  let isAfterCr = false
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

  const keep = (bytes: Uint8Array) => {
    const length = begun + bytes.length
    blockBytes += bytes.length
    if (blockBytes > maxEventBytes) {
      throw new ProtocolError(
        'event-too-large',
        `An event has more than ${maxEventBytes} bytes: raise maxEventBytes.`,
      )
    }
    if (length > buffer.length) {
      const larger = new Uint8Array(2 * length)
      larger.set(buffer)
      buffer = larger
    }
    buffer.set(bytes, begun)
    begun = length
  }

  const endLine = (): Block | undefined => {
    let line = decoder.decode(buffer.subarray(0, begun))
    // Comments are no part of an event.
    if (line.startsWith(':')) blockBytes -= begun
    // One large event does not cost its memory for the whole connection.
    if (begun > 65_536) buffer = new Uint8Array(1_024)
    begun = 0
    if (isFirstLine) line = line.replace(/^\uFEFF/, '')
    isFirstLine = false
    const value = line === 'id' ? '' : /^id: ?(.*)/s.exec(line)?.[1]
    if (value === undefined) parser.feed(`${line}\n`)
    else if (!value.includes('\0')) {
      id = value
      hasId = true
    }
    if (line) return undefined
    const block = { id, hasId, event: message?.event ?? '', data: message?.data }
    message = undefined
    hasId = false
    blockBytes = 0
    return block
  }

  return function* (bytes: Uint8Array): Generator<Block, void> {
    let start = 0
    for (let at = 0; at < bytes.length; at++) {
      const isSecond = isAfterCr && bytes[at] === LF
      isAfterCr = bytes[at] === CR
      if (bytes[at] !== LF && !isAfterCr) continue
      if (!isSecond) {
        keep(bytes.subarray(start, at))
        const block = endLine()
        if (block) yield block
      }
      start = at + 1
    }
    keep(bytes.subarray(start))
  }
}
