/**
 * Events and notices as unnamed messages, for clients that want every type without knowing its name: an EventSource
 * passes an unnamed message to `onmessage`. The data of each is the document that NDJSON has on a line.
 */
import { formatEventId } from '../log/event-id.js'
import { type Encoding, sse } from './encoding.js'
import { encodeMessage } from './frame.js'
import { eventDocument, noticeDocument } from './ndjson.js'

export const sseMessages = {
  ...sse,
  name: 'sse-messages',
  event: event => message(formatEventId(event.position, event.eventId), eventDocument(event)),
  notice: notice => message(notice.id, noticeDocument(notice)),
} as const satisfies Encoding

function message(id: string | undefined, data: string): Buffer {
  return Buffer.from(encodeMessage({ ...(id !== undefined && { id }), data }))
}
