/**
 * The clients of a process as its admins see them: open subscriptions, and those that have closed. These documents are also
 * the messages between workers, so they hold plain values. They never hold credentials or data of events.
 */
import Type, { type Static } from 'typebox'
import { orNull } from '../openapi/or-null.js'

const Time = Type.String({ format: 'date-time' })

export const CLIENT_STATES = ['catching-up', 'live', 'full', 'unacknowledged'] as const
export type ClientState = (typeof CLIENT_STATES)[number]

/** The filter that the client asked for, in its own form. */
const Filter = Type.Object({
  types: orNull(Type.Array(Type.String()), 'Types and prefixes. Null: all.'),
  where: orNull(Type.String(), 'The condition on the content, in normal form. Null: none.'),
})

const LastReset = Type.Object({
  at: Time,
  reason: Type.String({
    description: 'As in `reset`: `retention`, `history-lost`, `unknown-id`, `deleted`.',
  }),
  from: orNull(Type.String(), 'The cursor before it. Null: an id that is no event id of this stream.'),
  to: Type.String({ description: 'The cursor after it. Events in between were not sent.' }),
})

/** Members of open and closed clients. */
const Identity = {
  connection: Type.String({
    format: 'uuid',
    description: 'The name of the stream, which the client got in its first `server.state`.',
  }),
  node: Type.String({ description: 'The process that holds it: the first 8 digits of the connection.' }),
  principal: Type.String(),
  role: Type.String(),
  credential: orNull(Type.String(), 'The id of the API key, or the `jti` of the token.'),
  address: orNull(Type.String(), 'The IP address of the client.'),
  request_id: Type.String({ description: "Identifies the request in the gateway's log." }),
  stream: Type.String(),
  dialect: Type.String({ description: '`sluice`, or the API whose form the client uses, such as `runs`.' }),
  encoding: Type.String({ description: 'The form of the events: `sse`, `ndjson`, `sse-messages`, …' }),
  consumer: orNull(
    Type.Object({ name: Type.String(), epoch: Type.Integer() }),
    'The consumer that the client holds. Null: it follows the stream itself.',
  ),
}

/** The events that a client may get. */
const Entitled = {
  filter: orNull(Filter, 'What the client asked for. Null: all events.'),
  granted_types: orNull(Type.Array(Type.String()), 'The types that its grants leave. Null: all.'),
}

/** The progress of a subscription, open or closed. */
const Progress = {
  kind: Type.String({ description: 'The kind of the stream: `feed`, `job`.' }),
  opened_at: Time,
  started_after: Type.String({ description: 'The cursor with which it began.' }),
  brought_id: Type.Boolean({ description: 'Whether the client brought an event id.' }),
  newest_by_key_to: orNull(
    Type.String(),
    'With `from=latest-by-key`: up to this event id, it got only the newest event of each key. Else null.',
  ),
  cursor: Type.String({
    description: 'Up to this event id, everything was written or left out by the filter.',
  }),
  events: Type.Integer({ description: 'Events that were written to it.' }),
  bytes: Type.Integer({ description: 'Bytes that were written to it.' }),
  bytes_waiting: Type.Integer({
    description: 'Bytes that the client has not read yet, at most about 128 KiB.',
  }),
  behind_since: orNull(Time, 'Since when it has not been live. Null: it is live.'),
  live_since: orNull(Time, 'Since when it has been live. Null: it is catching up.'),
  resets: Type.Integer({ description: 'How often it was reset.' }),
  last_reset: orNull(LastReset),
}

export const ClientDocument = Type.Object(
  {
    ...Identity,
    ...Entitled,
    ...Progress,
    age_ms: Type.Integer({ description: 'Milliseconds since it was opened.' }),
    head: Type.String({ description: 'The newest event of the stream that this process knows.' }),
    lag_events: Type.Integer({ description: 'Events between its cursor and the head.' }),
    state: Type.Enum([...CLIENT_STATES], {
      description:
        '`live`: it gets each event at once. `catching-up`: it reads the past. `full`: the gateway waits until the client reads. `unacknowledged`: the client of a consumer gets nothing more until it acknowledges.',
    }),
    last_heartbeat_at: orNull(Time, 'When the last heartbeat was written. Null: none yet.'),
  },
  { title: 'Client' },
)
export type ClientDocument = Static<typeof ClientDocument>

export const ClosedClientDocument = Type.Object(
  {
    ...Identity,
    ...Entitled,
    ...Progress,
    closed_at: Time,
    duration_ms: Type.Integer(),
    reason: Type.String({
      description: 'Why it closed: `client`, `ended`, `draining`, `expired`, `revoked`, …',
    }),
  },
  { title: 'ClosedClient' },
)
export type ClosedClientDocument = Static<typeof ClosedClientDocument>

export const RefusedClientDocument = Type.Object(
  {
    ...Identity,
    connection: Type.Null({ description: 'A refused client has no stream.' }),
    refused_at: Time,
    reason: Type.String({
      description:
        '`limit`, `memory`, `draining`, `database`, `authorization`; `not-granted`, `not-found`: the client got 404; `ended`: 204; `client`: it left before.',
    }),
    limit: orNull(Type.String(), 'The cap that was reached: `principal`, `workspace`, `address`.'),
  },
  { title: 'RefusedClient' },
)
export type RefusedClientDocument = Static<typeof RefusedClientDocument>
