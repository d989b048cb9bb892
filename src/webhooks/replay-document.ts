/** A replay as admins request and see it. */
import Type, { type Static } from 'typebox'

const EventIdText = (description: string) => Type.String({ description, examples: ['10532.k7f3qa'] })
const Time = (description: string) => Type.String({ format: 'date-time', description })

export const REPLAY_STATES = ['running', 'completed', 'stopped', 'lost'] as const
export const Replay = Type.Object(
  {
    id: Type.String({ format: 'uuid' }),
    state: Type.Enum([...REPLAY_STATES], { description: '`lost`: the log no longer has the rest of it.' }),
    from: EventIdText('The events after this one are sent again.'),
    to: EventIdText('The last event that is sent again.'),
    at: EventIdText('Everything up to this event has been dealt with.'),
    created_at: Time('When it was requested.'),
    created_by: Type.String({ description: 'The principal that requested it.' }),
    ended_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
      description: 'Null while it runs.',
    }),
  },
  { title: 'WebhookReplay' },
)
export type Replay = Static<typeof Replay>

export const NewReplay = Type.Object(
  {
    from: Type.String({
      maxLength: 64,
      description:
        '`beginning`; an event id, after which it begins; or a time (RFC 3339), at whose first event it begins.',
    }),
    to: Type.Optional(
      Type.String({
        maxLength: 64,
        description:
          'An event id, the last one that is sent; or a time, before which it was stored. Default: the cursor of the webhook, after which events are sent anyway.',
      }),
    ),
  },
  { title: 'NewReplay', additionalProperties: false, examples: [{ from: '2026-01-31T12:00:00Z' }] },
)
export type NewReplay = Static<typeof NewReplay>
