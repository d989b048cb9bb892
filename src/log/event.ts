/**
 * What an event is, once: the schemas that routes validate with, the types that come from them, and the limits
 * that the log's SQL enforces as well (migrations/0003_event_limits.sql), because an application may publish from there.
 */
import Type, { type Static } from 'typebox'
import { describedAs } from '../openapi/described.js'

export const MAX_DATA_BYTES = 256 * 1024
export const MAX_DATA_DEPTH = 64
export const MAX_EVENTS_PER_REQUEST = 1_000

/** The workspace's own open-ended stream, the one that clients follow unless they name another. */
export const FEED = 'feed'

/** No control character, comma or asterisk can be in a type: it is an SSE field and a part of filters. */
export const EVENT_TYPE_PATTERN = '^[A-Za-z][A-Za-z0-9._:/-]{0,127}$'
export const STREAM_NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$'
export const WORKSPACE_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$'
/** What belongs to no workspace. No token can name it: it fails WORKSPACE_PATTERN. */
export const SYSTEM_WORKSPACE = '$system'

declare const brand: unique symbol
/** The number of a stream in this database; never shown to clients. */
export type StreamId = number & { readonly [brand]: 'StreamId' }
/** An event's place in its stream: 1, 2, 3, … 0 is the place before the first. */
export type Position = number & { readonly [brand]: 'Position' }

export const EventType = Type.String({ pattern: EVENT_TYPE_PATTERN, examples: ['item.created'] })
export const StreamName = Type.String({ pattern: STREAM_NAME_PATTERN, examples: [FEED] })
export const EventData = Type.Record(Type.String(), Type.Unknown(), {
  description: `A JSON object of at most ${MAX_DATA_BYTES} bytes and ${MAX_DATA_DEPTH} levels.`,
})

/** An event as a caller hands it in. */
export const NewEvent = Type.Object(
  { type: EventType, data: EventData },
  { title: 'NewEvent', additionalProperties: false },
)
export type NewEvent = Static<typeof NewEvent>

/** Several at once. */
export const batchOf = <Item extends Type.TSchema>(item: Item) =>
  Type.Array(item, { minItems: 1, maxItems: MAX_EVENTS_PER_REQUEST })

/** One or an array of them. A validator of `oneOf` would also report the faults of the form that was not meant. */
export const oneOrMany = <Item extends Type.TSchema>(item: Item) =>
  describedAs(
    Type.Unsafe<Static<Item> | Static<Item>[]>({
      if: { type: 'array' },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own keyword.
      then: batchOf(item),
      else: item,
    }),
    { oneOf: [item, batchOf(item)] },
  )
export const OneOrMany = oneOrMany(NewEvent)

/** An event as pages and lines show it. */
export const EventDocument = Type.Object(
  {
    id: Type.String({ examples: ['10532.k7f3qa'] }),
    position: Type.Integer(),
    type: EventType,
    at: Type.String({ format: 'date-time' }),
    event_id: Type.String({ format: 'uuid' }),
    data: EventData,
  },
  { title: 'Event' },
)

/** One row of the log. `data` is the JSON text as it was published: it goes to the wire as it is. */
export interface StoredEvent {
  readonly position: Position
  readonly eventId: string
  readonly at: Date
  readonly type: string
  readonly data: string
}
