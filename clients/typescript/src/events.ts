/** The events and notices of a feed, and how their types follow from the catalogue and from the `types` that a feed selects. */
import type { EventTypes, NoticeTypes } from './catalogue.js'

export type JsonObject = Readonly<Record<string, unknown>>

/**
 * The `type` of an event that neither the catalogue nor `types` names. It is a string; TypeScript treats it as a value of its own, so
 * that comparing `type` with a known one narrows `data`. To use it as text: `const type: string = event.type`.
 */
export declare enum OtherType {
  other = 'other',
}

export interface EventOf<Type extends string, Data> {
  /** The event id: opaque. */
  readonly id: string
  readonly type: Type
  /** Parsed. JavaScript's numbers lose digits of large ones; `text` has them. */
  readonly data: Data
  /** The JSON text as it was sent: the data, or with `envelope` the whole document. */
  readonly text: string
  /** With `envelope: true`: the place in the stream, the time (RFC 3339), the UUID and the trace. */
  readonly position?: number
  readonly at?: string
  readonly event_id?: string
  readonly traceparent?: string
}

type Known<Type> = Type extends keyof EventTypes ? EventOf<Type, EventTypes[Type]> : never
type Any = Known<keyof EventTypes> | EventOf<OtherType, JsonObject>

/** The events that one term of `types` selects. */
type Selected<Term extends string> = string extends Term
  ? Any
  : Term extends `${infer Prefix}*`
    ? Known<Extract<keyof EventTypes, `${Prefix}${string}`>> | EventOf<OtherType, JsonObject>
    : Term extends keyof EventTypes
      ? Known<Term>
      : EventOf<Term, JsonObject>

/** An event of a feed that selects `Terms`; of a feed without `types`: any event. */
export type FeedEvent<Terms extends string = string> = Selected<Terms>

/** An event of any feed, for code that works with all of them. */
export type AnyEvent = EventOf<string, JsonObject>

type NoticeOf<Type> = Type extends keyof NoticeTypes
  ? { readonly type: Type; readonly data: NoticeTypes[Type]; readonly id: string; readonly text: string }
  : never

/** A message of the gateway about the stream itself; `id` is the cursor. */
export type Notice<Type extends keyof NoticeTypes = keyof NoticeTypes> = NoticeOf<Type>

/** The data of an event of any type after an admin has erased the event's own data. */
export interface Redacted {
  readonly redacted: true
  readonly reason: string
  readonly at: string
}

/** Whether the data of an event was erased. The data of every type can be. */
export function isRedacted(data: object): data is Redacted {
  return Reflect.get(data, 'redacted') === true && typeof Reflect.get(data, 'reason') === 'string'
}
