/** Events as JSON: the document of one event, and a stream of them, one a line (application/x-ndjson). */
import type { StoredEvent } from '../events/event.js'
import { formatEventId } from '../events/event-id.js'
import type { Encoding } from './encoding.js'

/** `data` goes in as it is stored; between its tokens it may hold line ends, which a line must not. */
export function eventDocument(event: StoredEvent): string {
  const id = formatEventId(event.position, event.eventId)
  const data = event.data.replace(/[\r\n]+/g, ' ')
  return `{"id":"${id}","position":${event.position},"type":"${event.type}","at":"${event.at.toISOString()}","eventId":"${event.eventId}","data":${data}}`
}

export const ndjson: Encoding = {
  name: 'ndjson',
  contentType: 'application/x-ndjson',
  event: event => Buffer.from(`${eventDocument(event)}\n`),
  notice: ({ name, data, id }) => Buffer.from(`${JSON.stringify({ id, type: name, data })}\n`),
  cursor: () => undefined,
  retry: () => undefined,
}
