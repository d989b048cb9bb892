/**
 * A message of the bus on a broker: which streams have grown, and, in a signed message, with which events. It is one line and the
 * events as JSON:
 *
 *   sluice1 <sender> <history> <sent at> <woken streams> <streams with events> <signature>⏎[[stream, way, previous, [event, …]], …]
 *
 * `history` is the database and its timeline, because streams are numbers of one database, and a standby that was promoted may lack
 * events; `sent at` is in ms by the database's clock. The signature covers all of the rest. A message without one, with another one, of
 * another history or older than 5 s is a wake: its events are not even parsed. So everybody with access to the broker can cause a read that finds nothing, but only a process that has the key can
 * send events (docs/security.md).
 */
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { type Committed, haveNoGap, MAX_COMMITTED_EVENTS } from '../log/committed.js'
import { EVENT_TYPE_PATTERN, type Position, type StoredEvent, type StreamId, WAYS } from '../log/event.js'
import type { Wake } from './bus.js'
import type { MessageKey } from './message-key.js'

export const MAX_MESSAGE_BYTES = 64 * 1024
/** An older message, or one from the future, may be repeated by somebody else, or belong to a history that was lost since. */
export const MAX_AGE_MS = 5_000

const HEAD =
  /^(sluice1 ([A-Za-z0-9-]{1,64}) ([A-Za-z0-9.-]{1,64}) ([0-9]{1,15}) (all|[0-9,]*) ([0-9,]*)) ([A-Za-z0-9_-]{43}|-)$/
const STREAM = /^[0-9]{1,16}$/

const Uuid = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' })
const Text = Type.Union([Type.String(), Type.Null()])
const EventTuple = Type.Tuple([
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  Uuid,
  Type.Integer({ minimum: -8.64e15, maximum: 8.64e15 }),
  Type.String({ pattern: EVENT_TYPE_PATTERN }),
  Type.String(),
  Text,
  Text,
])
const CommittedTuple = Type.Tuple([
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  Type.Union([...WAYS.map(way => Type.Literal(way)), Type.Null()]),
  Uuid,
  Type.Array(EventTuple, { minItems: 1, maxItems: MAX_COMMITTED_EVENTS }),
])
const Body = Type.Array(CommittedTuple)

export type Refused = 'unsigned' | 'other-history' | 'late' | 'malformed'

/** Which processes a message is between. */
export interface MessagePlace {
  /** The sender of this process. */
  readonly self: string
  /** The database and its timeline (database/database-identity.ts); undefined while that is unknown: no events are carried then. */
  readonly history: string | undefined
  /** Undefined: messages are not signed, and carry no events. */
  readonly key: MessageKey | undefined
  /** Milliseconds since 1970 by the database's clock: of the oldest COMMIT in the message, or of its arrival. */
  readonly at: number
  /** Events that were sent up to this time are refused. */
  readonly notBefore?: number | undefined
}

export interface WakeMessage {
  /** The streams that have grown beyond the events. */
  readonly wake: Wake
  readonly committed: readonly Committed[]
  /**
   * Why the message was refused: its events, if it has any, are left out, and all of its streams are in `wake`. Undefined if it was
   * not.
   */
  readonly refused?: Refused
}

/** Undefined for bytes that are no message. Never throws, and takes linear time. */
export function parseMessage(
  bytes: Uint8Array,
  { self, history, key, at, notBefore = 0 }: MessagePlace,
): WakeMessage | 'own' | undefined {
  if (bytes.length > MAX_MESSAGE_BYTES) return undefined
  const end = bytes.indexOf(0x0a)
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end).toString('latin1')
  const [, head, sender, of, sentAt, woken, carried, signature] = HEAD.exec(line) ?? []
  if (!head || !sender || woken === undefined || carried === undefined || !signature) return undefined
  if (sender === self) return 'own'
  const body = bytes.subarray(line.length + 1)
  const refuse = (refused: Refused): WakeMessage => ({
    wake: woken === 'all' ? woken : streamsIn(`${woken},${carried}`),
    committed: [],
    refused,
  })
  if (!key?.verify(signature, head, body)) return refuse('unsigned')
  if (of !== history) return refuse('other-history')
  const sent = Number(sentAt)
  if (sent <= notBefore || Math.abs(at - sent) > MAX_AGE_MS) return refuse('late')
  const committed = body.length > 0 ? committedIn(body) : []
  if (!committed) return refuse('malformed')
  return { wake: woken === 'all' ? woken : streamsIn(woken), committed }
}

function streamsIn(list: string): StreamId[] {
  const numbers = list
    .split(',')
    .filter(text => STREAM.test(text))
    .map(Number)
  return numbers.filter(Number.isSafeInteger) as StreamId[]
}

function committedIn(body: Uint8Array): Committed[] | undefined {
  const value: unknown = parsed(body)
  if (!Value.Check(Body, value)) return undefined
  const committed = value.map(([streamId, way, previous, events]) => ({
    streamId: streamId as StreamId,
    way: way ?? undefined,
    previous,
    events: events.map(eventOf),
  }))
  return committed.every(({ events: [first, ...others] }) => first && haveNoGap(first, others))
    ? committed
    : undefined
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8'))
  } catch {
    return undefined
  }
}

export type EventTuple = Static<typeof EventTuple>

function eventOf([position, eventId, at, type, data, attributes, traceparent]: EventTuple): StoredEvent {
  return { position: position as Position, eventId, at: new Date(at), type, data, attributes, traceparent }
}
