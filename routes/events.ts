/** POST /api/events publishes, GET /api/events/:id shows one event. Following them is routes/feed.ts. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { inWorkspace } from '../src/database/workspace.js'
import { notFound, Problem } from '../src/errors.js'
import { fromCloudEvent } from '../src/events/cloudevents.js'
import { batchOf, FEED, type NewEvent, OneOrMany, StreamName } from '../src/events/event.js'
import { checkOf, parseEventId } from '../src/events/event-id.js'
import { findStream, readEvent } from '../src/events/log.js'
import type { PublishRequest, Receipt } from '../src/events/publisher.js'
import { Placed, placedOf } from '../src/events/receipt.js'
import { eventDocument } from '../src/sse/ndjson.js'

const CLOUDEVENT = 'application/cloudevents+json'
const CLOUDEVENT_BATCH = 'application/cloudevents-batch+json'

const InStream = Type.Object(
  { stream: Type.Optional({ ...StreamName, description: 'Default: the feed of the workspace.' }) },
  { additionalProperties: false },
)
type InStream = { Querystring: { stream?: string } }

const Published = Type.Object({ events: Type.Array(Placed) })

const Headers = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({ description: 'Makes a repeated request publish once, for 24 hours.' }),
  ),
})

/** What is in it is checked by fromCloudEvent, which says more than a schema can. */
const CloudEvent = Type.Object({}, { description: 'CloudEvents 1.0; its data is a JSON object.' })

const events: FastifyPluginAsyncTypebox = async app => {
  app.addContentTypeParser([CLOUDEVENT, CLOUDEVENT_BATCH], { parseAs: 'string' }, app.parseJson)

  app.post(
    '/api/events',
    {
      config: { access: 'editor' },
      schema: {
        tags: ['events'],
        operationId: 'publishEvents',
        summary: 'Publish an event, or several that are stored together',
        querystring: InStream,
        headers: Headers,
        body: {
          content: {
            'application/json': { schema: OneOrMany },
            [CLOUDEVENT]: { schema: CloudEvent },
            [CLOUDEVENT_BATCH]: { schema: batchOf(CloudEvent) },
          },
        },
        response: { 201: Published },
      },
    },
    async (request, reply) => {
      const receipts = await publishAll(request)
      if (receipts.every(({ replayed }) => replayed)) reply.header('idempotency-replayed', 'true')
      const events = receipts.flatMap(receipt => receipt.events)
      return reply.code(201).send({ events: events.map(placedOf) })
    },
  )

  app.get(
    '/api/events/:id',
    {
      config: { access: 'viewer' },
      schema: {
        tags: ['events'],
        operationId: 'getEvent',
        summary: 'One event',
        params: Type.Object({ id: Type.String() }),
        querystring: InStream,
      },
    },
    (request, reply) => sendEvent(request, reply),
  )

  /** Then lets go of the body, whose objects take up to twenty times its bytes. */
  function publishAll(request: PublishBody): Promise<Receipt[]> {
    const publishing = publishesOf(request).map(publish => app.publisher.publish(publish))
    request.body = undefined
    return Promise.all(publishing)
  }

  async function sendEvent(
    request: FastifyRequest<InStream & { Params: { id: string } }>,
    reply: FastifyReply,
  ) {
    const id = parseEventId(request.params.id)
    if (!id) throw new Problem(400, 'invalid-event-id', 'An event id looks like 10532.k7f3qa.')
    const { workspace } = request.principal
    const event = await inWorkspace(app.database, workspace, async client => {
      const stream = await findStream(client, workspace, request.query.stream ?? FEED)
      return stream && (await readEvent(client, stream.id, id.position))
    })
    if (!event || (id.check !== undefined && id.check !== checkOf(event.eventId))) throw notFound('event')
    // What is stored never changes.
    reply.header('cache-control', 'private, max-age=31536000, immutable')
    return reply.type('application/json').send(eventDocument(event))
  }
}

export default events

type PublishBody = FastifyRequest<InStream & { Headers: { 'idempotency-key'?: string } }>

/** One publish, all or nothing; but CloudEvents without a key each have their own, and are one publish each. */
function publishesOf(request: PublishBody): PublishRequest[] {
  const { workspace, id } = request.principal
  const target = { workspace, stream: request.query.stream ?? FEED, actor: id }
  const idempotencyKey = request.headers['idempotency-key']
  const bodies: unknown[] = Array.isArray(request.body) ? request.body : [request.body]
  if (!request.headers['content-type']?.startsWith('application/cloudevents')) {
    return [{ ...target, events: bodies as NewEvent[], idempotencyKey }]
  }
  const received = bodies.map(fromCloudEvent)
  if (idempotencyKey !== undefined) {
    return [{ ...target, events: received.map(({ event }) => event), idempotencyKey }]
  }
  return received.map(({ event, idempotencyKey }) => ({ ...target, events: [event], idempotencyKey }))
}
