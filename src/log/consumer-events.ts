/** The built-in events of consumers and webhooks, which the catalogue includes. */
import Type from 'typebox'

const WEBHOOK_ID = '0f0e8a52-9f54-4c1b-8f57-2f3c1c9a7d10'
const HOST = 'hooks.example.com'

const webhookState = <Reasons extends readonly string[]>(
  when: string,
  reasons: readonly [...Reasons],
  example: Reasons[number],
) =>
  ({
    room: 'webhooks',
    streams: ['feed'],
    reserved: true,
    when,
    data: Type.Object({
      webhook_id: Type.String(),
      // The host of the URL, with the port if it has one. The rest may be secret.
      url_host: Type.String(),
      reason: Type.Enum([...reasons]),
    }),
    example: { webhook_id: WEBHOOK_ID, url_host: HOST, reason: example },
  }) as const

const PAUSED = ['by-admin', 'exhausted', 'secret-unreadable'] as const
const DISABLED = ['gone', 'no-success'] as const

/** Types of messages to the receivers of webhooks that are no events of the log. Nobody can publish events of these types. */
export const RECEIVER_TYPES = ['webhook.test', 'sluice.reset'] as const

export const CONSUMER_EVENTS = {
  'consumer.lagging': {
    room: 'consumers',
    streams: ['feed'],
    reserved: true,
    when: 'a consumer or a webhook is far behind, or, with `lost`, retention has removed events that it had not acknowledged',
    data: Type.Object({
      consumer: Type.String({ description: 'The name of the consumer, or the id of the webhook.' }),
      kind: Type.Enum(['pull', 'webhook']),
      stream: Type.String(),
      lag_events: Type.Integer({ description: 'Positions after its cursor.' }),
      lag_seconds: Type.Integer({ description: 'Age of the first stored event after its cursor.' }),
      lost: Type.Boolean(),
    }),
    example: {
      consumer: 'billing',
      kind: 'pull',
      stream: 'feed',
      lag_events: 5210,
      lag_seconds: 3605,
      lost: false,
    },
  },
  'webhook.paused': webhookState(
    'a webhook was paused: by an admin, because the last try of an event has failed, or because no key opens its secrets',
    PAUSED,
    'exhausted',
  ),
  'webhook.resumed': webhookState(
    'an admin has resumed a webhook; `reason` is why it was not active',
    [...PAUSED, ...DISABLED],
    'exhausted',
  ),
  'webhook.disabled': webhookState(
    'a webhook was disabled: its receiver has answered 410, or nothing has succeeded for days',
    DISABLED,
    'gone',
  ),
} as const
