/** An explanation: what became of one event for one client, one principal, or all clients of its stream. */
import Type, { type Static } from 'typebox'
import { RefusedClientDocument } from '../clients/client-document.js'
import { orNull } from '../openapi/or-null.js'

const Time = Type.String({ format: 'date-time' })

/** Whether one client got the event, and why not. */
export const CLIENT_CAUSES = {
  written: 'it was written to the client',
  'written-redacted': 'it was written without its data, which had been redacted',
  removed: 'retention has removed it since',
  compacted: 'compaction has removed its data, because a newer event has the same key',
  'newest-by-key': 'the client asked for the newest event of each key',
  'other-stream': 'the client followed another stream',
  'not-granted': "the client's grants leave its type out",
  'filtered-by-type': 'the client asked for other types',
  'filtered-by-where': 'the client asked for other content',
  'not-in-form': "the client's form of events has no such event",
  'started-after': 'the client began after it',
  reset: 'the client was reset over it',
  'catching-up': 'the client has not reached it yet',
  backpressure: 'the client does not read',
  unacknowledged: 'the client of a consumer has to acknowledge earlier events first',
  'not-read': 'the process of the client has not read it from the log yet',
  disconnected: 'the client disconnected before it was written',
  closed: 'the gateway ended the stream before it was written',
} as const
export type ClientCause = keyof typeof CLIENT_CAUSES

/** Why there is nothing to say about a client. */
export const OTHER_CAUSES = {
  'never-existed': 'the workspace has no such event, and as far as is known it never had one',
  refused: 'the client got no stream',
  'not-connected': 'there was no such client',
  'other-node': 'another node has the client, or may have had it',
  restarted: 'no process that runs has known the client',
  forgotten: 'the process may have forgotten the client',
} as const
export type Cause = ClientCause | keyof typeof OTHER_CAUSES

const CauseText = Type.Enum([...Object.keys(CLIENT_CAUSES), ...Object.keys(OTHER_CAUSES)] as Cause[])

export const ExplainedClient = Type.Object(
  {
    connection: Type.String({ format: 'uuid' }),
    node: Type.String({ description: 'The process that holds it: the first 8 digits of the connection.' }),
    principal: Type.String(),
    address: orNull(Type.String()),
    stream: Type.String(),
    opened_at: Time,
    closed_at: orNull(Time, 'Null: it is open.'),
    close_reason: orNull(Type.String()),
    cursor: Type.String(),
    bytes_waiting: Type.Integer(),
    cause: CauseText,
    entitled: orNull(Type.Boolean(), 'Whether grants, filter and form let the event through. Null: unknown.'),
    written_after: orNull(Time, 'The event was written at this time or later.'),
    written_before: orNull(
      Time,
      'The event was written by this time. Equal to `written_after` if it was live.',
    ),
    explanation: Type.String({ description: 'The same in words.' }),
  },
  { title: 'ExplainedClient' },
)
export type ExplainedClient = Static<typeof ExplainedClient>

export const ExplainedEvent = Type.Object(
  {
    id: Type.String({ description: 'As it was asked for.' }),
    stream: Type.String(),
    status: Type.Enum(['stored', 'redacted', 'compacted', 'removed', 'unknown'], {
      description: '`unknown`: there is no such event, and as far as is known there never was.',
    }),
    type: orNull(Type.String()),
    event_id: orNull(Type.String({ format: 'uuid' })),
    actor: orNull(Type.String(), 'Who published it.'),
    way: orNull(Type.String(), 'How it was published: `http`, `sql`, `watch`, … Null: unknown.'),
    traceparent: orNull(Type.String(), 'The trace in which it was published.'),
    at: orNull(Time, 'Its time, just before COMMIT, by the clock of the database.'),
    committed_at: orNull(Time, 'When it was committed. Null: the database does not record that.'),
    read_at: orNull(Time, 'When a process that was asked has read it. Null: none remembers it.'),
    redacted_at: orNull(Time),
    explanation: Type.String({ description: 'The same in words.' }),
  },
  { title: 'ExplainedEvent' },
)
export type ExplainedEvent = Static<typeof ExplainedEvent>

export const Explanation = Type.Object(
  {
    cause: CauseText,
    summary: Type.String({ description: 'The answer in one or two sentences.' }),
    event: ExplainedEvent,
    clients: Type.Array(ExplainedClient, { description: 'The newest 100, open ones first.' }),
    refused: Type.Array(RefusedClientDocument, {
      description: 'Clients that got no stream, the newest first.',
    }),
    processes: Type.Array(Type.Object({ node: Type.String(), started_at: Time }), {
      description: 'The processes that were asked. None knows anything from before its start.',
    }),
    unknown: Type.Array(Type.String(), { description: 'What was not recorded, or not asked.' }),
  },
  { title: 'Explanation' },
)
export type Explanation = Static<typeof Explanation>
