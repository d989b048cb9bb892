/**
 * The one definition of an event: the schemas that routes validate with, their types, and the limits. The log's SQL enforces
 * the same limits (migrations/0003_event_limits.sql), because an application may publish from there.
 */
import Type, { type Static } from 'typebox'
import { describedAs, FORM } from '../openapi/described.js'

export const MAX_DATA_BYTES = 256 * 1024
export const MAX_DATA_DEPTH = 64
/** The same limit as in migrations/0028_event_attributes.sql. */
export const MAX_ATTRIBUTES_BYTES = 16 * 1024
export const MAX_EVENT_BYTES = MAX_DATA_BYTES + MAX_ATTRIBUTES_BYTES
export const MAX_EVENTS_PER_REQUEST = 1_000

/** The stream of a workspace that clients follow unless they name another. It has no end. */
export const FEED = 'feed'

/** A type contains no control character, comma or asterisk, because it is an SSE field and part of filters. */
export const EVENT_TYPE_PATTERN = '^[A-Za-z][A-Za-z0-9._:/-]{0,127}$'
/** The stream of a job is `job:` and an id of up to 128 characters. */
export const STREAM_NAME_PATTERN = '^(job:[A-Za-z0-9._:/-]{125,128}|[A-Za-z0-9][A-Za-z0-9._:/-]{0,127})$'
export const WORKSPACE_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$'
export const WORKSPACE_FORM = 'a letter or digit and up to 127 characters of A-Z a-z 0-9 . _ : @ -'
/** The workspace of the system's own streams. No token can name it, because it does not match WORKSPACE_PATTERN. */
export const SYSTEM_WORKSPACE = '$system'

/**
 * The type of an event whose data compaction has removed, because a newer event of the same key has superseded it. Readers pass
 * over it as over an event that their filter leaves out.
 */
export const COMPACTED = 'event.compacted'
/** The type of an event that reports the redaction of another one. */
export const REDACTED = 'event.redacted'

/**
 * How an event was published: over HTTP, by a program with the engine, as a change of an item or of a job's status, as a report on a
 * job, by SQL, by a change of a watched table, by a backfill of one, or by Sluice itself.
 */
export const WAYS = ['http', 'engine', 'item', 'job', 'runner', 'sql', 'watch', 'backfill', 'system'] as const
export type Way = (typeof WAYS)[number]

/** Whether clients may get an event at all. */
export function isDelivered({ type }: Pick<StoredEvent, 'type'>): boolean {
  return type !== COMPACTED
}

declare const brand: unique symbol
/** The number of a stream in this database. Clients never see it. */
export type StreamId = number & { readonly [brand]: 'StreamId' }
/** An event's place in its stream: 1, 2, 3, … 0 is the place before the first. */
export type Position = number & { readonly [brand]: 'Position' }

/**
 * The workspace and the name for which the number of a stream stands. A restore or a failover that loses a stream gives its number
 * to the next new one, of any workspace, so a reader that has a number from before compares it.
 */
export interface StreamName {
  readonly workspace: string
  readonly name: string
}

export const EventType = Type.String({
  pattern: EVENT_TYPE_PATTERN,
  [FORM]: 'a letter and up to 127 characters of A-Z a-z 0-9 . _ : / -',
  examples: ['item.created'],
})
export const StreamName = Type.String({
  pattern: STREAM_NAME_PATTERN,
  [FORM]: 'a letter or digit and up to 127 characters of A-Z a-z 0-9 . _ : / -',
  description: 'The name of a stream.',
  examples: [FEED],
})
export const EventData = Type.Record(Type.String(), Type.Unknown(), {
  description: `A JSON object of at most ${MAX_DATA_BYTES} bytes and ${MAX_DATA_DEPTH} levels.`,
})

/** An event as a caller publishes it. */
export const NewEvent = Type.Object(
  { type: EventType, data: EventData },
  {
    title: 'NewEvent',
    additionalProperties: false,
    examples: [{ type: 'order.placed', data: { order: 7, total: 42 } }],
  },
)
export type NewEvent = Static<typeof NewEvent>

/** Several events in one request. */
export const batchOf = <Item extends Type.TSchema>(item: Item) =>
  Type.Array(item, { minItems: 1, maxItems: MAX_EVENTS_PER_REQUEST })

/** One item or an array of items. Not `oneOf`, whose validator would also report the faults of the other form. */
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

/** An event in pages, lines and envelopes. */
export const EventDocument = Type.Object(
  {
    id: Type.String({
      description: 'The event id, for `Last-Event-ID`, `from` and `after`.',
      examples: ['10532.k7f3qa'],
    }),
    position: Type.Integer({ description: 'The place of the event in its stream: 1, 2, 3, …' }),
    type: EventType,
    at: Type.String({ format: 'date-time' }),
    event_id: Type.String({ format: 'uuid', description: 'The UUID of the event.' }),
    traceparent: Type.Optional(
      Type.String({
        description: 'The trace in which it was published (W3C Trace Context), if its publisher named one.',
        examples: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
      }),
    ),
    data: EventData,
  },
  { title: 'Event' },
)

/** One row of the log. `data` is the JSON text as it was published, and is sent unchanged. */
export interface StoredEvent {
  readonly position: Position
  readonly eventId: string
  readonly at: Date
  readonly type: string
  readonly data: string
  /** The attributes of a CloudEvent besides its type, as JSON text (cloudevent-attributes.ts). Other events have none. */
  readonly attributes?: string | null | undefined
  /** The trace in which it was published (W3C Trace Context); null if its publisher named none. */
  readonly traceparent?: string | null | undefined
  /** Only the tailer reads it; null if it is unknown. */
  readonly way?: Way | null | undefined
}

/** The characters of its texts that grow with the event. */
export function sizeOf({ data, attributes }: Pick<StoredEvent, 'data' | 'attributes'>): number {
  return data.length + (attributes?.length ?? 0)
}

export function charactersIn(events: readonly Pick<StoredEvent, 'data' | 'attributes'>[]): number {
  return events.reduce((sum, event) => sum + sizeOf(event), 0)
}
