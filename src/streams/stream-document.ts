/** A stream as its admins see it, and the options that they may set. */
import Type, { type Static } from 'typebox'
import { StreamName } from '../log/event.js'
import { KEY_PATH_FORM, KEY_PATH_PATTERN, MAX_KEY_PATH_LENGTH } from '../log/latest.js'
import { FORM } from '../openapi/described.js'

const MAX_AGE_SECONDS = 3_155_760_000
const MAX_COMPACT_AFTER_SECONDS = 315_360_000

const optionOf = (maximum: number, description: string) =>
  Type.Union([Type.Integer({ minimum: 1, maximum }), Type.Null()], { description })

const Option = {
  max_age_seconds: optionOf(
    MAX_AGE_SECONDS,
    'How long retention keeps an event, in seconds. Null: not set here.',
  ),
  max_events: optionOf(
    Number.MAX_SAFE_INTEGER,
    'How many of the newest events retention keeps, in each stream. Null: not set here.',
  ),
}

const Compaction = {
  compact_key: Type.Union(
    [
      Type.String({
        pattern: KEY_PATH_PATTERN,
        [FORM]: KEY_PATH_FORM,
        maxLength: MAX_KEY_PATH_LENGTH,
        examples: ['data.id'],
      }),
      Type.Null(),
    ],
    {
      description:
        'The path of a key: events that a newer event of the same key has superseded lose their data. Null: they keep it.',
    },
  ),
  compact_after_seconds: Type.Union(
    [Type.Integer({ minimum: 0, maximum: MAX_COMPACT_AFTER_SECONDS }), Type.Null()],
    {
      description: 'The age from which they lose it, in seconds. Null: 3,600.',
    },
  ),
}

const Presence = {
  presence: Type.Union([Type.Boolean(), Type.Null()], {
    description:
      'Whether `presence:NAME`, a stream of its own, gets an event when a principal begins to follow the stream and when it has left.',
  }),
}

/** The options of a workspace for its streams. */
export const WorkspaceOptions = Type.Object(Option, { title: 'WorkspaceOptions' })
export type WorkspaceOptions = Static<typeof WorkspaceOptions>

/** The options of a stream. */
export const StreamOptions = Type.Object(
  { ...Option, ...Compaction, ...Presence },
  { title: 'StreamOptions' },
)
export type StreamOptions = Static<typeof StreamOptions>

/** Options that are left out stay as they are; null removes one. */
const changesOf = <Options extends Type.TProperties>(options: Options, title: string, example: object) =>
  Type.Partial(Type.Object(options), {
    title,
    additionalProperties: false,
    minProperties: 1,
    examples: [example],
  })

export const WorkspaceOptionChanges = changesOf(Option, 'WorkspaceOptionChanges', {
  max_age_seconds: 604_800,
})
export type WorkspaceOptionChanges = Static<typeof WorkspaceOptionChanges>
export const StreamOptionChanges = changesOf(
  { ...Option, ...Compaction, ...Presence },
  'StreamOptionChanges',
  {
    max_events: 100_000,
    compact_key: 'data.id',
  },
)
export type StreamOptionChanges = Static<typeof StreamOptionChanges>

const Time = (description: string) =>
  Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description })

const Place = (description: string) =>
  Type.Object({ id: Type.String(), at: Time('When it was stored; null if there was none.') }, { description })

export const StreamDocument = Type.Object(
  {
    name: StreamName,
    kind: Type.String({ description: '`feed`: open-ended; `job`: of a job, with which it ends.' }),
    events: Type.Integer({ description: 'Number of stored events.' }),
    bytes_estimate: Type.Integer({
      description: 'Size of the data of all stored events, estimated from the newest 16.',
    }),
    base: Place('The last event that retention has removed; the stored events follow it.'),
    head: Place('The newest event.'),
    clients_here: Type.Integer({
      description: 'Open streams on it in the process that answers. Other processes may have more.',
    }),
    created_at: Time('Null for a stream that is older than this record.'),
    closed_at: Time('A closed stream takes no more events.'),
    options: StreamOptions,
  },
  { title: 'Stream' },
)
export type StreamDocument = Static<typeof StreamDocument>
