/** POST /api/events publishes events; GET /api/events/:id returns one. Clients follow events through routes/feed.ts. */
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errorCodes, type FastifyRequest } from 'fastify'
import Type from 'typebox'
import { JSON_SUFFIX } from '../src/bytes/media-type.js'
import { formatETag, isKnown } from '../src/items/etag.js'
import { isBinaryMode, structured } from '../src/log/cloudevent-headers.js'
import { CLOUDEVENT, CLOUDEVENT_BATCH, CloudEvent, fromCloudEvent } from '../src/log/cloudevents.js'
import { batchOf, EventDocument, FEED, isDelivered, type NewEvent, OneOrMany } from '../src/log/event.js'
import { hash, idempotencyHeader } from '../src/log/idempotency.js'
import type { PublishedEvent, PublishRequest } from '../src/log/publish-request.js'
import type { Receipt } from '../src/log/publisher.js'
import { Placed, placedOf } from '../src/log/receipt.js'
import { FORM } from '../src/openapi/described.js'
import { Problem } from '../src/problems/problem.js'
import { cloudEventDocument } from '../src/sse/cloudevents.js'
import { eventDocument } from '../src/sse/ndjson.js'
import { EventParams, eventIdIn, findEvent, InStream, sendDocument } from './stored-event.js'

const PublishQuery = Type.Object(
  {
    ...InStream.properties,
    expected_head: Type.Optional(
      Type.String({
        pattern: '^(0|(0|[1-9][0-9]{0,15})\\.[a-z2-7]{6})$',
        [FORM]: 'a whole event id, such as 10532.k7f3qa, or 0',
        description:
          'Stores the events only if this is the id of the newest event; `0`: only if the stream has never had one.',
      }),
    ),
  },
  { additionalProperties: false },
)
type PublishQuery = { Querystring: { stream?: string; expected_head?: string } }

const Published = Type.Object({ events: Type.Array(Placed) })

const NO_DATA = Buffer.alloc(0)

const Headers = Type.Object(idempotencyHeader())
const IfNoneMatch = Type.Object({
  'if-none-match': Type.Optional(
    Type.String({ description: 'The ETag that the client has: 304 if the event was not redacted since.' }),
  ),
})
const ETag = { etag: Type.String({ description: 'Changes when the event is redacted.' }) }
const KnownEvent = Type.Null({ description: 'The client has the event as it is stored.', headers: ETag })

declare module 'fastify' {
  interface FastifyRequest {
    /** A CloudEvent in binary mode, without its data, which is the body. */
    cloudEvent: Pick<PublishedEvent, 'attributes' | 'traceparent'> | undefined
  }
}

const events: FastifyPluginAsyncTypebox = async app => {
  app.decorateRequest('cloudEvent', undefined)
  app.addContentTypeParser([CLOUDEVENT, CLOUDEVENT_BATCH], app.readJson)
  app.addContentTypeParser(JSON_SUFFIX, app.readJson)
  // In binary mode the body is the data of a CloudEvent, of any media type.
  app.addContentTypeParser('*', async (request: FastifyRequest, payload: Readable) => {
    const { 'content-type': type } = request.headers
    if (type === undefined || !isBinaryMode(request.headers))
      throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(type)
    return await app.readBytes(request, payload)
  })

  app.post(
    '/api/events',
    {
      config: { access: 'editor', grants: 'stream' },
      preParsing: async request => {
        // A CloudEvent in binary mode without data, which programs send with the media type of JSON all the same.
        const { headers } = request
        if (
          !isBinaryMode(headers) ||
          (headers['content-length'] ?? '0') !== '0' ||
          headers['transfer-encoding']
        )
          return
        delete headers['content-type']
        request.body = NO_DATA
      },
      preValidation: async request => fromBinaryMode(request),
      schema: {
        tags: ['events'],
        operationId: 'publishEvents',
        summary: 'Publish one event or several',
        description:
          'Several events are stored all or none, next to each other. A CloudEvent may be sent in binary mode: its attributes as headers `ce-…`, its data as the body, of any media type.',
        querystring: PublishQuery,
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
      config: { access: 'viewer', grants: 'stream' },
      schema: {
        tags: ['events'],
        operationId: 'getEvent',
        summary: 'Get an event',
        params: EventParams,
        querystring: InStream,
        headers: IfNoneMatch,
        response: {
          200: {
            description: 'The event.',
            headers: ETag,
            content: {
              'application/json': { schema: EventDocument },
              [CLOUDEVENT]: { schema: CloudEvent },
            },
          },
          304: KnownEvent,
        },
      },
    },
    async (request, reply) => {
      const { stream = FEED } = request.query
      const { event } = await findEvent(request, eventIdIn(request.params.id), stream)
      if (!isDelivered(event)) throw compacted()
      const type = request.headers.accept?.includes(CLOUDEVENT) ? CLOUDEVENT : 'application/json'
      const source = app.cloudEventSource(request.principal.workspace, stream)
      const body = type === CLOUDEVENT ? cloudEventDocument(event, source) : eventDocument(event)
      // Only redaction and compaction change a stored event. Another event gets the bare position when the log loses its tail.
      const etag = formatETag(hash(body))
      reply.header('cache-control', 'private, no-cache').header('etag', etag)
      reply.header('vary', [reply.getHeader('vary') ?? [], 'Accept'].flat().join(', '))
      const known = request.headers['if-none-match']
      if (known !== undefined && isKnown(known, etag)) return reply.code(304).send(null)
      return sendDocument(reply, body, type)
    },
  )

  /** Releases the body afterwards: its objects take up to twenty times its bytes. */
  async function publishAll(request: PublishBody): Promise<Receipt[]> {
    const publishes = publishesOf(request)
    request.body = undefined
    const types = publishes.flatMap(({ events }) => events.map(({ type }) => type))
    const { stream = FEED } = request.query
    await app.grants.toPublish(request, stream, types)
    await admit(request, publishes)
    return Promise.all(publishes.map(publish => app.publisher.publish(publish))).catch(async error => {
      if (!(error instanceof Problem) || error.members.head === undefined) throw error
      // A caller that may write only does not learn the newest event.
      throw (await app.grants.reads(request, stream)) ? error : headHidden(error)
    })
  }
}

export default events

/** All of them together, because a batch of CloudEvents is stored in parts. */
async function admit({ server, headers }: PublishBody, publishes: readonly PublishRequest[]): Promise<void> {
  const [first] = publishes
  if (!first) return
  const events = publishes.reduce((sum, publish) => sum + publish.events.length, 0)
  const { 'content-length': length } = headers
  // A chunked body does not announce its length.
  const bytes = length === undefined ? JSON.stringify(publishes).length : Number(length)
  await server.quota.admit(first.workspace, { events, bytes }, async () => {
    for (const { workspace, actor, idempotencyKey } of publishes)
      if (!(await server.keyStored(workspace, actor, idempotencyKey))) return false
    return true
  })
}

function compacted(): Problem {
  const detail =
    'A newer event of the same key has superseded this one, and its data was removed. Read GET /api/latest.'
  return new Problem(410, 'event-compacted', detail)
}

function headHidden({ status, code }: Problem): Problem {
  const detail =
    'The stream has other events than you expect. Nothing was stored. Your access does not show you which.'
  return new Problem(status, code, detail)
}

type PublishBody = FastifyRequest<PublishQuery & { Headers: { 'idempotency-key'?: string } }>

/** Turns a CloudEvent in binary mode into a plain event and its idempotency key, to be validated and published as such. */
function fromBinaryMode(request: FastifyRequest): void {
  const { headers, body } = request
  if (isCloudEvents(headers)) return
  if (isBinaryMode(headers)) {
    const { event, idempotencyKey } = fromCloudEvent(structured(headers, body))
    const { type, data, ...others } = event
    request.body = { type, data }
    request.cloudEvent = others
    headers['idempotency-key'] ??= idempotencyKey
  } else if (JSON_SUFFIX.test(headers['content-type'] ?? '')) {
    throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(headers['content-type'])
  }
}

function isCloudEvents(headers: FastifyRequest['headers']): boolean {
  return headers['content-type']?.startsWith('application/cloudevents') ?? false
}

/** One publish, stored all or not at all. CloudEvents without a common key have a key each, so each is a publish of its own. */
function publishesOf(request: PublishBody): PublishRequest[] {
  const { workspace, id } = request.principal
  const { stream = FEED, expected_head: expectedHead } = request.query
  const target = { workspace, stream, actor: id, expectedHead }
  const { traceparent } = request
  const idempotencyKey = request.headers['idempotency-key']
  const bodies: unknown[] = Array.isArray(request.body) ? request.body : [request.body]
  if (!isCloudEvents(request.headers)) {
    const events: PublishedEvent[] = (bodies as NewEvent[]).map(event => ({
      ...event,
      ...request.cloudEvent,
      traceparent: request.cloudEvent?.traceparent ?? traceparent,
    }))
    return [{ ...target, events, idempotencyKey }]
  }
  const received = bodies.map(fromCloudEvent).map(({ event, ...others }) => ({
    ...others,
    event: { ...event, traceparent: event.traceparent ?? traceparent },
  }))
  if (idempotencyKey !== undefined) {
    return [{ ...target, events: received.map(({ event }) => event), idempotencyKey }]
  }
  if (expectedHead !== undefined && received.length > 1) {
    const detail =
      '`expected_head` is for one publish. Send an Idempotency-Key with the batch, which makes it one.'
    throw new Problem(400, 'invalid-request', detail)
  }
  return received.map(({ event, idempotencyKey }) => ({ ...target, events: [event], idempotencyKey }))
}
