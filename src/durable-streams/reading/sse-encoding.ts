/**
 * Durable Streams as Server-Sent Events (PROTOCOL §5.8): the messages of one write in one block `data`, then a block `control` with the
 * offset. The frame of an event is only its message, so all clients share it; the blocks are made around the frames of a payload, once for
 * each fan-out group.
 *
 * Each block has the event id too. An EventSource sends it when it reconnects, and resumes there, whatever the offset in its URL.
 */
import { type Cursor, cursorId } from '../../hub/cursor.js'
import type { StoredEvent } from '../../log/event.js'
import { parseEventId } from '../../log/event-id.js'
import { type Encoding, encodeNotice, sse } from '../../sse/encoding.js'
import { retryField } from '../../sse/frame.js'
import type { Content } from './content.js'
import { jsonMessage, messageBytes } from './message.js'
import { formatOffset } from './offset.js'

const NOTHING = Buffer.alloc(0)
const LINE_END = /\r\n|\n|\r/
const COMMA = Buffer.from(',')
const ARRAY = { open: Buffer.from('data:['), close: Buffer.from(']\n\n') } as const
/** Ends no block, so no client takes it for a message. */
const HEARTBEAT = Buffer.from(':\n')

interface Control {
  readonly streamCursor?: string
  readonly upToDate?: true
  readonly streamClosed?: true
}

export interface DurableEncodingOptions {
  readonly content: Content
  /** The cursor that the client sends back with its next request. */
  readonly cursor: string
  /** How long a response lasts, in milliseconds; the client then sends the next request. */
  readonly lastsMs: number
}

export function durableEncoding({ content, cursor, lastsMs }: DurableEncodingOptions): Encoding {
  const name = `durable-${content}`
  const open = { streamCursor: cursor }
  return {
    name,
    group: `${name} ${cursor}`,
    contentType: sse.contentType,
    lastsMs,
    refusesByStatus: true,
    endsAtReset: true,
    event: event => messageOf(event, content),
    assemble: (frames, last, isHead) => [
      ...dataBlock(frames, cursorId(last), content),
      control(cursorId(last), { ...open, ...(isHead && { upToDate: true }) }),
    ],
    caughtUp: place => control(cursorId(place), { ...open, upToDate: true }),
    ended: place => control(cursorId(place), { streamClosed: true, upToDate: true }),
    notice(notice) {
      if (notice.name === 'heartbeat') return HEARTBEAT
      const text = notice.name === 'unavailable' ? encodeNotice(notice) : undefined
      return text === undefined ? undefined : Buffer.from(text)
    },
    cursor: id => control(id, open),
    retry: retryField,
  }
}

/** All of the response for a client that has everything of a closed stream. */
export function endedBlock(place: Cursor): Buffer {
  return control(cursorId(place), { streamClosed: true, upToDate: true })
}

/** Empty for an event that is passed over. */
function messageOf(event: StoredEvent, content: Content): Buffer {
  if (content !== 'json') return messageBytes(event) ?? NOTHING
  const text = jsonMessage(event)
  return text === undefined ? NOTHING : Buffer.from(text)
}

function dataBlock(frames: readonly Buffer[], id: string, content: Content): Buffer[] {
  const head = Buffer.from(`id: ${id}\nevent: data\n`)
  if (content === 'json') {
    const messages = frames.flatMap((frame, n) => (n === 0 ? [frame] : [COMMA, frame]))
    return [head, ARRAY.open, ...messages, ARRAY.close]
  }
  const bytes = frames.length === 1 ? (frames[0] ?? NOTHING) : Buffer.concat(frames)
  const lines = content === 'text' ? bytes.toString().split(LINE_END) : [bytes.toString('base64')]
  return [head, Buffer.from(`${lines.map(line).join('')}\n`)]
}

/** A client removes one space after the colon, and a message may begin with one. */
function line(text: string): string {
  return text.startsWith(' ') ? `data: ${text}\n` : `data:${text}\n`
}

/** The protocol has no space after `data:`. */
function control(id: string, more: Control): Buffer {
  const position = parseEventId(id)?.position
  if (position === undefined) return NOTHING
  const data = JSON.stringify({ streamNextOffset: formatOffset(position), ...more })
  return Buffer.from(`id: ${id}\nevent: control\ndata:${data}\n\n`)
}
