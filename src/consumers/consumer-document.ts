/** A consumer as its clients see it, and what they may set. */
import Type, { type Static } from 'typebox'
import { cursorId } from '../hub/cursor.js'
import { MAX_WHERE_LENGTH } from '../log/content-filter/value.js'
import { FEED, StreamName } from '../log/event.js'
import { FORM } from '../openapi/described.js'
import { orNull } from '../openapi/or-null.js'
import type { Consumer } from './consumer.js'

/** No `/`, so that no path needs it encoded. */
export const ConsumerName = Type.String({
  pattern: '^[A-Za-z0-9._-]{1,100}$',
  [FORM]: '1 to 100 characters of A-Z a-z 0-9 . _ -',
  description: 'The name of the consumer, unique in the workspace.',
  examples: ['billing'],
})

const Time = Type.String({ format: 'date-time' })

const Options = {
  types: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4_096,
      description: 'Type names, or prefixes that end in `*`, separated by commas. Default: all.',
    }),
  ),
  where: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: MAX_WHERE_LENGTH,
      description: 'A condition on the data, as for a live stream. Default: none.',
    }),
  ),
  ack_timeout_ms: Type.Optional(
    Type.Integer({
      minimum: 1_000,
      maximum: 3_600_000,
      default: 30_000,
      description: 'Events that are not acknowledged for this long, in milliseconds, are handed out again.',
    }),
  ),
  max_in_flight: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 256,
      description: 'Number of events that may be handed out and not acknowledged. 1: one at a time.',
    }),
  ),
  description: Type.Optional(Type.String({ maxLength: 2_000, description: 'For people.' })),
}

export const ConsumerSettings = Type.Object(
  {
    stream: Type.Optional({
      ...StreamName,
      default: FEED,
      description: 'The name of the stream. It cannot be changed later.',
    }),
    ...Options,
    start: Type.Optional(
      Type.String({
        maxLength: 64,
        default: 'now',
        description:
          'Where a new consumer starts: `now`, `beginning`, after an event id, or before the first event of a time (RFC 3339). Without effect on an existing one.',
        examples: ['beginning'],
      }),
    ),
  },
  {
    title: 'ConsumerSettings',
    additionalProperties: false,
    examples: [{ stream: 'feed', types: 'order.*', start: 'beginning' }],
  },
)
export type ConsumerSettings = Static<typeof ConsumerSettings>

export const Seek = Type.Object(
  {
    to: Type.String({
      maxLength: 64,
      description: '`now`, `beginning`, after an event id, or before the first event of a time (RFC 3339).',
    }),
  },
  { title: 'Seek', additionalProperties: false, examples: [{ to: 'beginning' }] },
)

export const Acknowledgement = Type.Object(
  {
    id: Type.String({
      maxLength: 64,
      description: 'The id of an event. It and all events before it are acknowledged.',
      examples: ['10532.k7f3qa'],
    }),
    epoch: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'The epoch with which the event was handed out. Default: the present one, of the same principal.',
      }),
    ),
  },
  { title: 'Acknowledgement', additionalProperties: false, examples: [{ id: '10532.k7f3qa', epoch: 3 }] },
)
export type Acknowledgement = Static<typeof Acknowledgement>

const Cursor = Type.String({
  description: 'The id of the last acknowledged event: the next event is handed out after it.',
  examples: ['10532.k7f3qa'],
})
const Lag = Type.Object(
  {
    events: Type.Integer({
      description: 'Positions after the cursor, events that the filter leaves out included.',
    }),
    seconds: Type.Integer({
      description: 'Age of the first stored event after the cursor; 0 if there is none.',
    }),
  },
  { description: 'How far the cursor is behind the end of the stream.' },
)
export type Lag = Static<typeof Lag>

export const Acknowledged = Type.Object({ cursor: Cursor, lag: Lag }, { title: 'Acknowledged' })
export type Acknowledged = Static<typeof Acknowledged>

export const ConsumerDocument = Type.Object(
  {
    name: ConsumerName,
    stream: StreamName,
    types: orNull(Type.String(), 'Null: all types.'),
    where: orNull(Type.String(), 'Null: no condition.'),
    description: orNull(Type.String(), 'Null: none.'),
    ack_timeout_ms: Type.Integer(),
    max_in_flight: Type.Integer(),
    cursor: Cursor,
    lag: Lag,
    in_flight: Type.Integer({
      description: 'Events that are handed out and not acknowledged, as last stored.',
    }),
    last_ack_at: orNull(
      Time,
      'When the cursor last moved: by an acknowledgement, or over events that the filter leaves out.',
    ),
    lagging: Type.Boolean({ description: 'Whether the gateway has reported that it is far behind.' }),
    holder: orNull(
      Type.Object({
        principal: orNull(Type.String(), 'The id of the client that holds it.'),
        since: Time,
        epoch: Type.Integer(),
        expires_at: Type.String({
          format: 'date-time',
          description: 'When it is free, unless the holder goes on.',
        }),
      }),
      'Null while nobody holds it.',
    ),
    created_at: Time,
    created_by: Type.String(),
  },
  { title: 'Consumer' },
)
export type ConsumerDocument = Static<typeof ConsumerDocument>

export function consumerDocument(consumer: Consumer, lag: Lag): ConsumerDocument {
  const { held, epoch } = consumer
  return {
    name: consumer.name,
    stream: consumer.stream,
    types: consumer.types,
    where: consumer.where,
    description: consumer.description,
    ack_timeout_ms: consumer.ackTimeoutMs,
    max_in_flight: consumer.maxInFlight,
    cursor: cursorId(consumer.cursor),
    lag,
    // Events that an expired lease had in flight are handed out again.
    in_flight: held ? consumer.inFlight : 0,
    last_ack_at: consumer.lastAckAt?.toISOString() ?? null,
    lagging: consumer.laggingSince !== null,
    holder: held
      ? {
          principal: held.principal,
          since: held.since.toISOString(),
          epoch,
          expires_at: held.until.toISOString(),
        }
      : null,
    created_at: consumer.createdAt.toISOString(),
    created_by: consumer.createdBy,
  }
}
