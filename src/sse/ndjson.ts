/** Events as JSON: the document of one event, and a stream of them, one a line (application/x-ndjson). */
import { NDJSON } from '../bytes/media-type.js'
import type { StoredEvent } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'
import type { Encoding, Notice } from './encoding.js'

/** `data` is inserted as it is stored, except for line ends between its tokens, which a line must not contain. */
export function eventDocument(event: StoredEvent): string {
  const id = formatEventId(event.position, event.eventId)
  const data = event.data.replace(/[\r\n]+/g, ' ')
  const trace = event.traceparent ? `,"traceparent":"${event.traceparent}"` : ''
  return `{"id":"${id}","position":${event.position},"type":"${event.type}","at":"${event.at.toISOString()}","event_id":"${event.eventId}"${trace},"data":${data}}`
}

export function noticeDocument({ name, data, id }: Notice): string {
  return JSON.stringify({ id, type: name, data })
}

export const ndjson: Encoding = {
  name: 'ndjson',
  contentType: NDJSON,
  event: event => Buffer.from(`${eventDocument(event)}\n`),
  notice: notice => Buffer.from(`${noticeDocument(notice)}\n`),
  cursor: () => undefined,
  retry: () => undefined,
}
