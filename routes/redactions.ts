/** Redaction: an admin replaces the data of stored events, in the log and in the memory of every process. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { EventDocument, FEED } from '../src/log/event.js'
import { redactEvents } from '../src/redaction/redactions.js'
import { eventDocument } from '../src/sse/ndjson.js'
import { findEvent, InStream, sendDocument, wholeEventIdIn } from './stored-event.js'

const Redaction = Type.Object(
  {
    reason: Type.String({
      minLength: 1,
      maxLength: 1_000,
      description: 'Clients can read it, and it is never erased. It must not repeat what it erases.',
    }),
    keep_actor: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Whether the log still knows who published the event. Clients do not see that.',
      }),
    ),
  },
  { title: 'Redaction', additionalProperties: false },
)
const Redacted = Type.Object(EventDocument.properties, {
  description:
    'Redacted, now or earlier: the event as it is stored now. No process has its data in memory after 5 s.',
})

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/events/:id/redact',
    {
      config: { access: 'admin', grants: 'stream' },
      schema: {
        tags: ['events'],
        operationId: 'redactEvent',
        summary: 'Erase the data of an event',
        description:
          'The event keeps its position, id, type and time; its data becomes `{"redacted":true,"reason":…,"at":…}`. Followers of the stream receive `event.redacted`.',
        params: Type.Object({ id: Type.String() }),
        querystring: InStream,
        body: Redaction,
        response: { 200: Redacted },
      },
    },
    async (request, reply) => {
      const { stream = FEED } = request.query
      const { reason, keep_actor: keepActor = false } = request.body
      const id = wholeEventIdIn(request.params.id)
      // First, so that a caller who may not write there does not learn whether the event exists.
      await app.grants.toPublish(request, stream, [])
      const found = await findEvent(request, id, stream)
      await app.grants.toPublish(request, stream, [found.event.type])
      const redaction = { stream, reason, keepActor }
      const redacted = await redactEvents(app.database, request.auditOrigin, [found.event], redaction)
      if (redacted > 0) app.changedEvents.wake(found.stream)
      const { event } = await findEvent(request, id, stream)
      return sendDocument(reply, eventDocument(event))
    },
  )
}

export default routes
