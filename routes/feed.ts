/**
 * GET /api/events: one log in three forms. `text/event-stream` and `application/x-ndjson` follow it live;
 * `application/json`, and NDJSON with `limit`, are a page of it.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { FEED, StreamName } from '../src/log/event.js'
import { sse } from '../src/sse/encoding.js'
import { sseMessages } from '../src/sse/message-envelope.js'
import { ndjson } from '../src/sse/ndjson.js'
import { answerWithStream, LiveForms, StreamQuery } from './stream-query.js'
import { STREAM_OR_PAGE } from './stream-responses.js'

const forms = new LiveForms(sse, sseMessages, ndjson)

const Query = Type.Object(
  {
    stream: Type.Optional({ ...StreamName, description: 'Default: the feed of the workspace.' }),
    ...StreamQuery.properties,
  },
  { additionalProperties: false },
)

const feed: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/events',
    {
      config: { access: 'viewer', stream: forms.of },
      schema: {
        tags: ['events'],
        operationId: 'followEvents',
        summary: 'Follow the events of a stream, or read a page of them',
        querystring: Query,
        response: STREAM_OR_PAGE,
      },
    },
    (request, reply) => {
      const { stream = FEED, ...query } = request.query
      return answerWithStream(request, reply, query, stream, forms)
    },
  )
}

export default feed
