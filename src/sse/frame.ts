/**
 * The text of one Server-Sent Event (WHATWG HTML §9.2.6). Illegal text is refused, never cleaned: a CR or LF in a
 * name or an id would let its author forge fields and whole events.
 */

export interface SseMessage {
  /** Sets the client's last event id. Present and empty resets it. */
  readonly id?: string
  /** The event's name; without it the client's event is named `message`. */
  readonly event?: string
  /** Any text; each of its lines becomes a `data:` line. Without data nothing is dispatched. */
  readonly data?: string
  /** Reconnection time, in milliseconds. */
  readonly retry?: number
  /** A line that clients ignore; each of its lines becomes a comment. */
  readonly comment?: string
}

const LINE_END = /\r\n|\n|\r/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
const ILLEGAL = /[\u0000-\u001f\u007f]/

/** @throws {RangeError} for control characters in `id` or `event`, and for a `retry` that is not a count. */
export function encodeMessage(message: SseMessage): string {
  let text = ''
  if (message.comment !== undefined) text += lines(':', message.comment)
  if (message.retry !== undefined) text += `retry: ${count(message.retry)}\n`
  if (message.id !== undefined) text += `id: ${legal('id', message.id)}\n`
  if (message.event !== undefined) text += `event: ${legal('event', message.event)}\n`
  if (message.data !== undefined) text += lines('data:', message.data)
  return `${text}\n`
}

/** Only the field, without the end of a block: it belongs to the block that follows. */
export function retryField(ms: number): Buffer {
  return Buffer.from(`retry: ${count(ms)}\n`)
}

/** Whether clients receive a message for the block, and not only its id, its comment or nothing. */
export function dispatches(block: Buffer): boolean {
  return block.includes('\ndata:') || block.subarray(0, 'data:'.length).toString() === 'data:'
}

/** Whether a block of `encodeMessage` sets the client's id. */
export function carriesId(block: Buffer): boolean {
  return block.subarray(0, 'id:'.length).toString() === 'id:'
}

function lines(field: string, text: string): string {
  if (!text.includes('\n') && !text.includes('\r')) return `${field} ${text}\n`
  return text
    .split(LINE_END)
    .map(line => `${field} ${line}\n`)
    .join('')
}

function legal(field: string, value: string): string {
  if (ILLEGAL.test(value)) throw new RangeError(`The SSE field '${field}' has a control character in it.`)
  return value
}

function count(ms: number): number {
  if (!Number.isSafeInteger(ms) || ms < 0)
    throw new RangeError(`The SSE field 'retry' must be a count of ms.`)
  return ms
}
