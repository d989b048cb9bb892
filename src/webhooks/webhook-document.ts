/** A webhook as its admins create, change and see it: the schemas that routes validate and serialise with, and their types. */
import Type, { type Static } from 'typebox'
import { MAX_WHERE_LENGTH } from '../log/content-filter/value.js'
import { StreamName } from '../log/event.js'
import { MAX_URL_LENGTH } from '../network/outbound-url.js'
import { asLine } from '../openapi/described.js'
import { orNull } from '../openapi/or-null.js'
import { Replay } from './replay-document.js'
import { MAX_HEADER_VALUE, MAX_HEADERS } from './sending/endpoint-headers.js'
import {
  DEFAULT_OVERLAP_SECONDS,
  EXHAUSTIONS,
  FORMS,
  MAX_IN_FLIGHT,
  MAX_OVERLAP_SECONDS,
  ORDERS,
  STATE_REASONS,
  STATES,
} from './webhook.js'

const Time = (description: string) => Type.String({ format: 'date-time', description })
const TimeOrNull = (description: string) => orNull(Type.String({ format: 'date-time' }), description)
const EventIdText = (description: string) => Type.String({ description, examples: ['10532.k7f3qa'] })

export const WebhookIdText = Type.String({ format: 'uuid', description: 'The id of the webhook.' })
const Url = Type.String({
  minLength: 1,
  maxLength: MAX_URL_LENGTH,
  description:
    'Where requests are sent. In production its scheme is `https` and its host is public, unless the gateway allows others.',
  examples: ['https://hooks.example.com/sluice'],
})
const Types = Type.String({
  maxLength: 4_096,
  description: 'Type names, or prefixes that end in `*`, separated by commas. Null: every type.',
  examples: ['job.*,item.created'],
})
const Where = Type.String({
  maxLength: MAX_WHERE_LENGTH,
  description: 'A condition on the data; docs/protocol.md has the grammar. Null: none.',
})
const Description = asLine(Type.String({ maxLength: 2_000, description: 'For people.' }))
const WebhookForm = Type.Enum([...FORMS], {
  description:
    'How an event is sent: as Standard Webhooks does, or as a CloudEvent in structured or binary mode. All are signed in the same way.',
})
const WebhookOrder = Type.Enum([...ORDERS], {
  description:
    '`ordered`: an event is sent when the one before it was delivered. `parallel`: up to `max_in_flight` at once, in any order.',
})
const MaxInFlight = Type.Integer({
  minimum: 1,
  maximum: MAX_IN_FLIGHT,
  description: 'Deliveries under way at once. Counts for `parallel` only.',
})
const OnExhausted = Type.Enum([...EXHAUSTIONS], {
  description:
    'What follows when the last try of an event has failed: the webhook is paused, or the event becomes a dead letter and the next one is sent.',
})
const Headers = Type.Record(Type.String(), Type.String({ maxLength: MAX_HEADER_VALUE }), {
  maxProperties: MAX_HEADERS,
  description: `Headers of each request, at most ${MAX_HEADERS}, such as \`Authorization\`. Their values are secret: answers have their names only.`,
})

const SETTINGS = {
  types: Type.Optional(
    orNull(Types, 'Type names, or prefixes that end in `*`, separated by commas. Null: every type.'),
  ),
  where: Type.Optional(orNull(Where, 'A condition on the data. Null: none.')),
  description: Type.Optional(orNull(Description, 'For people.')),
  form: Type.Optional(WebhookForm),
  order: Type.Optional(WebhookOrder),
  max_in_flight: Type.Optional(MaxInFlight),
  on_exhausted: Type.Optional(OnExhausted),
  headers: Type.Optional(Headers),
}

export const NewWebhook = Type.Object(
  {
    url: Url,
    stream: Type.Optional({
      ...StreamName,
      description: 'The name of the stream; default: the feed of the workspace.',
    }),
    start: Type.Optional(
      Type.String({
        maxLength: 64,
        description:
          'The first event that is sent is the one after this place: `now` (default), `beginning`, an event id, or before the first event of a time (RFC 3339).',
        examples: ['now'],
      }),
    ),
    ...SETTINGS,
    enabled: Type.Optional(
      Type.Boolean({
        description: 'False creates it paused: nothing is sent before it is resumed. Default true.',
      }),
    ),
  },
  {
    title: 'NewWebhook',
    additionalProperties: false,
    examples: [{ url: 'https://hooks.example.com/sluice', types: 'job.*' }],
  },
)
export type NewWebhook = Static<typeof NewWebhook>

export const WebhookChanges = Type.Object(
  { url: Type.Optional(Url), ...SETTINGS },
  {
    title: 'WebhookChanges',
    additionalProperties: false,
    minProperties: 1,
    examples: [{ types: 'job.failed' }],
  },
)
export type WebhookChanges = Static<typeof WebhookChanges>

export const SecretRotation = Type.Object(
  {
    overlap: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_OVERLAP_SECONDS,
        description: `How long the old secret signs too, in seconds; 0 ends it at once. Default ${DEFAULT_OVERLAP_SECONDS}.`,
      }),
    ),
  },
  { additionalProperties: false, examples: [{ overlap: 3_600 }] },
)
export type SecretRotation = Static<typeof SecretRotation>

const Failing = Type.Object(
  {
    event_id: EventIdText('The event that waits for its next try.'),
    attempt: Type.Integer({ description: 'How often it has failed since its schedule began.' }),
    next_try_at: TimeOrNull('Null while the webhook is not active.'),
    since: Time('The first of these attempts.'),
    status: orNull(Type.Integer(), 'The HTTP status of the last attempt; null without an answer.'),
    error: orNull(Type.String(), 'Why the last attempt failed.'),
  },
  { title: 'FailingDelivery' },
)

const LastAttempt = Type.Object(
  {
    at: Time('When it began.'),
    outcome: Type.String({ description: '`delivered`, `failed` or `dead`.' }),
    status: orNull(Type.Integer(), 'The HTTP status; null without an answer.'),
    milliseconds: orNull(Type.Integer(), 'How long it took.'),
  },
  { title: 'LastAttempt' },
)

export const WebhookSecret = Type.Object(
  {
    id: Type.String({ description: 'Names the secret; it is not secret.' }),
    created_at: Time('When it was made.'),
    expires_at: TimeOrNull('Until when it signs. Null: until it is rotated.'),
  },
  { title: 'WebhookSecret' },
)

export const WebhookDocument = Type.Object(
  {
    id: WebhookIdText,
    url: Url,
    stream: StreamName,
    types: orNull(Types, 'The types of events that are sent. Null: all.'),
    where: orNull(Where, 'The condition on the data of events that are sent. Null: none.'),
    description: orNull(Description, 'For people.'),
    form: WebhookForm,
    order: WebhookOrder,
    max_in_flight: MaxInFlight,
    on_exhausted: OnExhausted,
    header_names: Type.Array(Type.String(), { description: 'The names of its headers.' }),
    state: Type.Enum([...STATES], {
      description:
        'Only an `active` webhook sends. A `disabled` one was stopped because its receiver does not want or take requests.',
    }),
    state_reason: orNull(Type.Enum([...STATE_REASONS]), 'Why it is not active.'),
    state_at: Time('Since when it is in this state.'),
    cursor: EventIdText(
      'Everything up to this event was delivered, waits for another try, or is a dead letter.',
    ),
    lag: Type.Object(
      {
        events: Type.Integer({ description: 'Events of the stream after the cursor, of any type.' }),
        seconds: Type.Number({ description: 'The age of the first of them; 0 if there is none.' }),
      },
      { title: 'WebhookLag' },
    ),
    failing: orNull(Failing, 'The event that has waited longest for its next try.'),
    dead_letters: Type.Integer({ description: 'How many dead letters it has.' }),
    replay: orNull(Replay, 'The replay that is running, or the last one.'),
    last_success_at: TimeOrNull('The last successful attempt.'),
    last_attempt: orNull(LastAttempt, 'The last attempt to deliver an event.'),
    secrets: Type.Array(WebhookSecret, { description: 'The secrets that sign now, the newest first.' }),
    created_at: Time('When it was created.'),
    created_by: Type.String({ description: 'The principal that created it.' }),
    updated_at: Time('When its settings, secrets or state were last changed.'),
  },
  { title: 'Webhook' },
)
export type WebhookDocument = Static<typeof WebhookDocument>

const Secret = Type.String({
  description:
    'The secret that signs: `whsec_` and base64, as verifiers of Standard Webhooks take it. Only this response shows it.',
})
export const CreatedWebhook = Type.Object(
  { ...WebhookDocument.properties, secret: Secret },
  { title: 'CreatedWebhook', description: 'Created. Store `secret` now: it is not shown again.' },
)
export type CreatedWebhook = Static<typeof CreatedWebhook>

export const RotatedSecret = Type.Object(
  { ...WebhookSecret.properties, secret: Secret },
  { title: 'RotatedSecret', description: 'Made. Store `secret` now: it is not shown again.' },
)
export type RotatedSecret = Static<typeof RotatedSecret>
