/**
 * GET /api/events: one log in three forms. As `text/event-stream` and `application/x-ndjson` a client follows it live; as
 * `application/json`, and as NDJSON with `limit`, it gets a page.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { FEED, StreamName } from '../src/log/event.js'
import type { StreamChannel } from '../src/specifications/channel.js'
import { logForms } from '../src/specifications/log-messages.js'
import { sse } from '../src/sse/encoding.js'
import { sseMessages } from '../src/sse/message-envelope.js'
import { ndjson } from '../src/sse/ndjson.js'
import { answerWithStream, LiveForms, PAGE_ONLY, StreamQuery } from './stream-query.js'
import { STREAM_OR_PAGE } from './stream-responses.js'

const forms = new LiveForms(sse, sseMessages, ndjson)

const channels = [
  {
    name: 'feed',
    title: 'The feed',
    description:
      'The stream of the workspace: changes of items, the status of jobs, and all that applications publish without naming another stream.',
    operation: 'followFeed',
    without: ['stream', ...PAGE_ONLY],
    forms: () => logForms('feed'),
  },
  {
    name: 'stream',
    title: 'A stream by its name',
    description: 'Any other stream of the workspace: it exists once somebody has published to it.',
    operation: 'followStream',
    without: PAGE_ONLY,
    requires: ['stream'],
    forms: () => logForms('other'),
  },
] satisfies StreamChannel[]

const Query = Type.Object(
  {
    stream: Type.Optional({
      ...StreamName,
      description: 'The name of the stream; default: the feed of the workspace.',
    }),
    ...StreamQuery.properties,
  },
  { additionalProperties: false },
)

const feed: FastifyPluginAsyncTypebox = async app => {
  app.get(
    '/api/events',
    {
      config: { access: 'viewer', grants: 'stream', stream: forms.of, channels },
      schema: {
        tags: ['events'],
        operationId: 'followEvents',
        summary: 'Follow a stream, or read a page of its events',
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
