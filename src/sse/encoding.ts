/**
 * The form of events on the wire. An encoding is a small value without state, so that the bytes of an event are made
 * once and shared by every client with the same encoding.
 */

import type { Position, StoredEvent } from '../log/event.js'
import { formatEventId } from '../log/event-id.js'
import type { NoticeData, NoticeName } from '../log/notice-catalogue.js'
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
  /** Empty for an event that clients of this encoding do not receive. */
  event(event: StoredEvent): Buffer
  /** Undefined if the encoding cannot express the notice. */
  notice(notice: Notice): Buffer | undefined
  /** Moves the client's cursor without a message; undefined if clients of this encoding have no such cursor. */
  cursor(id: string): Buffer | undefined
  /**
   * The field that asks the client to reconnect after this many milliseconds. It is written before a block that has
   * data, because several clients pass a block without data to the application. Undefined if the encoding cannot ask.
   */
  retry(ms: number): Buffer | undefined
  /** The message after the last event of a stream that has an end, perhaps empty; undefined for other events. */
  closing?(event: StoredEvent): Buffer | undefined
  /** Clients of one name share frames; those of one group share payloads as well. Default: the name. */
  readonly group?: string
  /** Makes a payload around the frames of its events, which are not empty, up to that of `last`; default: they follow each other. */
  assemble?(frames: readonly Buffer[], last: StoredEvent, isHead: boolean): readonly Buffer[]
  /** Sent when a client has reached the head, unless its last payload was assembled there. */
  caughtUp?(place: Place): Buffer
  /** Sent in place of a heartbeat when the stream has ended. */
  ended?(place: Place): Buffer
  /** How long a response lasts, in milliseconds; default: as the gateway's setting says. */
  readonly lastsMs?: number
  /** Refusals are a status, unless the client is an EventSource; default: they are a notice in the stream. */
  readonly refusesByStatus?: true
  /** Ends where the log does not continue, because clients know no `reset`. */
  readonly endsAtReset?: true
}

/** A place in a stream, as src/hub/cursor.ts has it. */
interface Place {
  readonly position: Position
  readonly eventId?: string
}

/**
 * The text form of a notice for clients of the feed. `error` is left out: they would treat it as a broken connection.
 */
export function encodeNotice({ name, data, id }: Notice): string | undefined {
  if (name === 'error') return undefined
  const text = JSON.stringify(data)
  return encodeMessage(id === undefined ? { event: name, data: text } : { id, event: name, data: text })
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

/** For clients that pass a block without data to the application: an event of its own moves the cursor. */
export function withNamedCursors(encoding: Encoding): Encoding {
  return { ...encoding, cursor: id => encoding.notice({ name: 'cursor', data: {}, id }) }
}
