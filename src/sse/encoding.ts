/**
 * How events look on the wire. An encoding is a small value without state, so that what it makes of an event can
 * be made once and shared by every client that reads the same encoding.
 */

import type { StoredEvent } from '../events/event.js'
import { formatEventId } from '../events/event-id.js'
import { encodeMessage } from './frame.js'

/** What is said besides the events of the log: never stored, so it never moves a client's cursor by itself. */
export interface Notice {
  readonly name: 'server.state' | 'heartbeat' | 'reset' | 'unavailable' | 'auth-expired'
  readonly data: object
  /** The subscription's own cursor, when the client is to keep it. */
  readonly id?: string
}

export interface Encoding {
  readonly name: string
  readonly contentType: string
  event(event: StoredEvent): Buffer
  notice(notice: Notice): Buffer
  /** Moves the client's cursor and says nothing else; undefined where a client has no such cursor. */
  cursor(id: string): Buffer | undefined
  /** Asks the client to reconnect after so many milliseconds; undefined where there is no way to ask. */
  retry(ms: number): Buffer | undefined
}

export const sse: Encoding = {
  name: 'sse',
  contentType: 'text/event-stream',
  event: event =>
    Buffer.from(
      encodeMessage({
        id: formatEventId(event.position, event.eventId),
        event: event.type,
        data: event.data,
      }),
    ),
  notice: ({ name, data, id }) =>
    Buffer.from(encodeMessage({ ...(id !== undefined && { id }), event: name, data: JSON.stringify(data) })),
  // A block without data sets the last event id and dispatches nothing (WHATWG HTML §9.2.6).
  cursor: id => Buffer.from(encodeMessage({ id })),
  retry: ms => Buffer.from(encodeMessage({ retry: ms })),
}
