/** One attempt to deliver an event, and a dead letter, as admins see them. */
import Type, { type Static } from 'typebox'
import { orNull } from '../openapi/or-null.js'
import { OUTCOMES } from './delivery-records.js'

const EventIdOrNull = orNull(
  Type.String({ examples: ['10532.k7f3qa'] }),
  'The event id; null for a message that is no event of the log.',
)
const EventUuid = Type.String({
  format: 'uuid',
  description: 'The UUID of the event: the `webhook-id` of the request.',
})
const Status = orNull(Type.Integer(), 'The HTTP status of the answer; null without an answer.')
const ErrorText = orNull(Type.String(), 'Why it failed; null for a success.')

export const Attempt = Type.Object(
  {
    id: Type.String({ format: 'uuid', description: 'The id of the attempt.' }),
    event_id: EventIdOrNull,
    event_uuid: EventUuid,
    type: Type.String({ description: 'The type of the event.' }),
    attempt: Type.Integer({ description: '1 for the first attempt.' }),
    at: Type.String({ format: 'date-time', description: 'When it began.' }),
    outcome: Type.Enum([...OUTCOMES], {
      description:
        '`dead`: it was the last try, and the event is a dead letter. `failed`: any other attempt without success.',
    }),
    status: Status,
    milliseconds: orNull(Type.Integer(), 'How long it took.'),
    error: ErrorText,
    answer: orNull(Type.String(), 'The first KiB of the answer, as text.'),
    next_try_at: orNull(
      Type.String({ format: 'date-time' }),
      'When the next try was due. Null: none followed by itself.',
    ),
    replay: Type.Boolean({ description: 'Whether it was part of a replay.' }),
    test: Type.Boolean({ description: 'Whether it was a test, whose event is not in the log.' }),
  },
  { title: 'WebhookAttempt' },
)
export type Attempt = Static<typeof Attempt>

export const DeadLetterDocument = Type.Object(
  {
    event_id: Type.String({ description: 'The event id.', examples: ['10532.k7f3qa'] }),
    event_uuid: EventUuid,
    type: Type.String({ description: 'The type of the event.' }),
    at: Type.String({ format: 'date-time', description: 'When its last try failed.' }),
    attempts: Type.Integer({ description: 'How many attempts were made.' }),
    status: Status,
    error: ErrorText,
  },
  { title: 'DeadLetter' },
)
export type DeadLetterDocument = Static<typeof DeadLetterDocument>
