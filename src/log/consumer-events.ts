/** The built-in events of consumers and webhooks, which the catalogue includes. */
import Type from 'typebox'

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
} as const
