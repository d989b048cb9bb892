/** Redaction: an admin replaces the data of one event, or of all that match, in the log and in the memory of every process. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { reachOf } from '../src/auth/grants/reach.js'
import { cursorId } from '../src/hub/cursor.js'
import { EventDocument, FEED } from '../src/log/event.js'
import { EventFilter } from '../src/log/event-filter.js'
import { MOST_REDACTED, redactMatching } from '../src/redaction/matching-events.js'
import { redactEvents } from '../src/redaction/redactions.js'
import { eventDocument } from '../src/sse/ndjson.js'
import { Types, Where } from './event-selection.js'
import { assertVisible } from './job-visibility.js'
import { EventParams, findEvent, InStream, sendDocument, wholeEventIdIn } from './stored-event.js'

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
  { title: 'Redaction', additionalProperties: false, examples: [{ reason: 'request 118' }] },
)
const Redacted = Type.Object(EventDocument.properties, {
  description:
    'Redacted, now or earlier: the event as it is stored now. No process has its data in memory after 5 s.',
})
const MatchingRedaction = Type.Object(
  {
    where: Type.String({
      ...Where,
      description: 'A condition on the data; docs/protocol.md has the grammar.',
    }),
    types: Type.Optional(Types),
    ...Redaction.properties,
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MOST_REDACTED,
        default: MOST_REDACTED,
        description: 'How many events this request redacts at most.',
      }),
    ),
    cursor: Type.Optional(
      Type.String({ maxLength: 64, description: 'The `next` of the previous response, unchanged.' }),
    ),
  },
  {
    title: 'MatchingRedaction',
    additionalProperties: false,
    examples: [{ where: 'data.customer eq 118', reason: 'request 118' }],
  },
)
const RedactedPart = Type.Object(
  {
    redacted: Type.Integer({ description: 'How many events were redacted now.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description:
        'Send it as `cursor` to continue; null: every event that the stream had at the start of the request was checked.',
    }),
  },
  { title: 'RedactedPart' },
)

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
        params: EventParams,
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

  app.post(
    '/api/events/redact',
    {
      config: { access: 'admin', grants: 'stream' },
      schema: {
        tags: ['events'],
        operationId: 'redactMatchingEvents',
        summary: 'Erase the data of the events that match a condition',
        description:
          'Reads a part of the stream, from its beginning or from `cursor` on. Repeat the request with `next` as the `cursor` until `next` is null.',
        querystring: InStream,
        body: MatchingRedaction,
        response: { 200: RedactedPart },
      },
    },
    async request => {
      const { stream = FEED } = request.query
      const {
        where,
        types,
        reason,
        keep_actor: keepActor = false,
        limit = MOST_REDACTED,
        cursor,
      } = request.body
      const writable = await app.grants.toPublish(request, stream, [])
      const readable = await app.grants.toRead(request, stream)
      await assertVisible(request, stream)
      app.memory.assertRoom()
      const after = cursor === undefined ? undefined : wholeEventIdIn(cursor)
      const filter = EventFilter.of({ where, types })
        .and(readable.within(undefined))
        .and(writable.within(undefined))
      const { streams } = reachOf(request.principal)
      const redaction = { stream, streams, filter, after, limit, reason, keepActor }
      const part = await redactMatching(app.database, request.auditOrigin, redaction)
      if (part.redacted > 0) app.changedEvents.wake(part.stream)
      return { redacted: part.redacted, next: part.next ? cursorId(part.next) : null }
    },
  )
}

export default routes
