/**
 * How events look on the wire. An encoding is a small value without state, so that what it makes of an event can
 * be made once and shared by every client that reads the same encoding.
 */

import type { StoredEvent } from '../log/event.js'
import type { NoticeData, NoticeName } from '../log/event-catalogue.js'
import { formatEventId } from '../log/event-id.js'
import { encodeMessage, retryField } from './frame.js'

/**
 * A message of a stream besides the events of the log. It is never stored, so it never moves a client's cursor by itself. `id` is
 * the client's own cursor, or the one that the notice gives it.
 */
export type Notice = {
  readonly [Name in NoticeName]: {
    readonly name: Name
    readonly data: NoticeData<Name>
    readonly id?: string
  }
}[NoticeName]

export interface Encoding {
  readonly name: string
  readonly contentType: string
  /** Time between heartbeats; default: the gateway's. */
  readonly heartbeatMs?: number
  /** Empty for an event that clients of this encoding do not see. */
  event(event: StoredEvent): Buffer
  /** Undefined where there is no way to say it. */
  notice(notice: Notice): Buffer | undefined
  /** Moves the client's cursor and says nothing else; undefined where a client has no such cursor. */
  cursor(id: string): Buffer | undefined
  /**
   * The field that asks the client to reconnect after so many milliseconds, to be put before a block that has data: several
   * clients hand a block without data to the application. Undefined where there is no way to ask.
   */
  retry(ms: number): Buffer | undefined
  /** What is said after the last event of a stream that has an end, perhaps nothing; undefined for other events. */
  closing?(event: StoredEvent): Buffer | undefined
}

/** The text form of a notice as clients of the feed see it. `error` they would take for a broken connection. */
export function encodeNotice({ name, data, id }: Notice): string | undefined {
  if (name === 'error') return undefined
  return encodeMessage({ ...(id !== undefined && { id }), event: name, data: JSON.stringify(data) })
}

export const sse = {
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
  notice(notice) {
    const text = encodeNotice(notice)
    return text === undefined ? undefined : Buffer.from(text)
  },
  // A block without data sets the last event id and dispatches nothing (WHATWG HTML §9.2.6).
  cursor: id => Buffer.from(encodeMessage({ id })),
  retry: retryField,
} as const satisfies Encoding

/** For clients that hand a block without data to the application: the cursor moves by an event of its own. */
export function withNamedCursors(encoding: Encoding): Encoding {
  return { ...encoding, cursor: id => encoding.notice({ name: 'cursor', data: {}, id }) }
}
