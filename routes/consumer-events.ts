/** GET /api/consumers/:name/events: what a consumer hands out, in the three forms of a stream. The server keeps its cursor. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { NDJSON } from '../src/bytes/media-type.js'
import { ConsumerName } from '../src/consumers/consumer-document.js'
import { eventIdIn } from '../src/log/named-place.js'
import type { StreamChannel } from '../src/specifications/channel.js'
import { logForms } from '../src/specifications/log-messages.js'
import { sse } from '../src/sse/encoding.js'
import { sseMessages } from '../src/sse/message-envelope.js'
import { ndjson } from '../src/sse/ndjson.js'
import { findConsumer } from './stored-consumer.js'
import {
  DEFAULT_LIMIT,
  formOf,
  LiveForms,
  milliseconds,
  notAcceptable,
  refuse,
  StreamQuery,
} from './stream-query.js'
import { CONSUMER_STREAM_OR_PAGE } from './stream-responses.js'

const forms = new LiveForms(sse, sseMessages, ndjson)
const OF_PAGES = ['after', 'limit', 'wait'] as const
const OF_STREAMS = ['envelope', 'cursors'] as const

const channel = {
  name: 'consumer',
  title: 'A consumer',
  description:
    'The events after the cursor of a consumer, which the server keeps: at most `max_in_flight` of them before the client acknowledges.',
  operation: 'followConsumer',
  without: OF_PAGES,
  forms: () => logForms('other'),
} satisfies StreamChannel

const { token, ticket, envelope, cursors, limit, wait } = StreamQuery.properties
const Query = Type.Object(
  {
    epoch: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          'The epoch that the client has got with the previous page or stream: the client goes on holding the consumer.',
      }),
    ),
    takeover: Type.Optional(
      Type.Boolean({ description: 'Takes the consumer over from the client that holds it. Default false.' }),
    ),
    ...{ token, ticket, envelope, cursors },
    after: Type.Optional(
      Type.String({
        description:
          'The last event that the client has got with this epoch: the page continues after it. Without it everything after the cursor is handed out again. Pages only.',
      }),
    ),
    limit,
    wait,
  },
  { additionalProperties: false },
)

const routes: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/consumers/:name/events',
    {
      config: { access: 'editor', grants: 'stream', stream: forms.of, channels: [channel] },
      schema: {
        tags: ['consumers'],
        operationId: 'followConsumer',
        summary: 'Hold a consumer and get its events, live or as a page',
        description:
          'Starts after the cursor of the consumer; `Last-Event-ID` is ignored. What is not acknowledged in time is handed out again.',
        params: Type.Object({ name: ConsumerName }),
        querystring: Query,
        response: CONSUMER_STREAM_OR_PAGE,
      },
    },
    (request, reply) => {
      const { query } = request
      const { name } = request.params
      const find = async () => (await findConsumer(request, name)).consumer
      const holding = { name, find, epoch: query.epoch, takeover: query.takeover ?? false }
      const encoding = forms.of(request)
      if (encoding) {
        refuse(
          query,
          OF_PAGES,
          'is for pages. Request a page with Accept: application/json, or leave it out.',
        )
        return reply.followConsumer(holding, encoding)
      }
      const form = formOf(request)
      if (form !== 'application/json' && form !== NDJSON) throw notAcceptable()
      refuse(query, OF_STREAMS, 'is for live streams. Leave it out for a page.')
      const after = query.after === undefined ? undefined : eventIdIn('after', query.after)
      const page = { after, limit: query.limit ?? DEFAULT_LIMIT, waitMs: milliseconds(query.wait), form }
      return reply.sendConsumerPage(holding, page)
    },
  )
}

export default routes
