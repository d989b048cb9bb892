/**
 * PUT, POST, GET, HEAD and DELETE /v1/stream/NAME: streams in the form of the Durable Streams protocol. docs/durable-streams.md is its
 * guide; the clauses in comments are those of its PROTOCOL.md. DURABLE_STREAMS_PREFIX moves the path.
 */
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { allows } from '../../src/auth/principal.js'
import { roleTooLow } from '../../src/auth/refusals.js'
import { durableChannel } from '../../src/durable-streams/reading/channel.js'
import { parseOffset } from '../../src/durable-streams/reading/offset.js'
import { durableEncoding } from '../../src/durable-streams/reading/sse-encoding.js'
import { appendRequestOf, createRequestOf } from '../../src/durable-streams/request-headers.js'
import { assertStreamName } from '../../src/durable-streams/stream-name.js'
import { disconnectSignal } from '../../src/http/client-disconnect.js'
import { CHUNK } from '../../src/log/chunk-events.js'
import { notFound, Problem } from '../../src/problems/problem.js'
import { assertVisible } from '../job-visibility.js'
import { StreamQuery } from '../stream-query.js'
import {
  DURABLE_STREAM_APPENDED,
  DURABLE_STREAM_CREATED,
  DURABLE_STREAM_OR_PAGE,
} from '../stream-responses.js'
import {
  appendProblem,
  atTail,
  createProblem,
  describe,
  describeExpiry,
  gone,
  owned,
} from './durable-headers.js'

export interface DurableRoutesOptions {
  /** The path before the names of streams, below that of the gateway. */
  readonly path: string
}

/** Room for several events of the largest size. */
const MAX_BODY_BYTES = 4 * 1024 * 1024

const Params = Type.Object({ '*': Type.String({ description: 'The name of the stream.' }) })
const Query = Type.Object({
  offset: Type.Optional(
    Type.String({
      maxLength: 64,
      description:
        'Messages after this offset; `-1` is the beginning, `now` the end. Default `-1`; required with `live`.',
    }),
  ),
  live: Type.Optional(
    Type.Enum(['long-poll', 'sse'], {
      description: '`long-poll` waits for a message, `sse` follows the stream as Server-Sent Events.',
    }),
  ),
  cursor: Type.Optional(
    Type.String({ maxLength: 64, description: 'The last `Stream-Cursor`, sent back unchanged.' }),
  ),
  ...Type.Pick(StreamQuery, ['token', 'ticket', 'last_event_id']).properties,
})

const NOTHING = Buffer.alloc(0)

type StreamRequest = FastifyRequest<{ Params: { '*': string } }>

/** The encoding of refusals, before the content type of the stream is known. */
const unknownContent = durableEncoding({ content: 'json', cursor: '0', lastsMs: 0 })
const tags = ['durable-streams']

const routes: FastifyPluginAsyncTypebox<DurableRoutesOptions> = async (app, { path }) => {
  const url = `${path}/*`
  // Bodies are bytes of any type here.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request: FastifyRequest, payload: Readable) =>
    app.readBytes(request, payload),
  )

  app.put(
    url,
    {
      config: { access: 'editor', grants: 'stream', dropsLargeBodies: true },
      bodyLimit: MAX_BODY_BYTES,
      schema: {
        tags,
        operationId: 'createDurableStream',
        summary: 'Create a stream, or make sure that it exists',
        params: Params,
        response: DURABLE_STREAM_CREATED,
      },
    },
    async (request, reply) => {
      const name = nameOf(request)
      const wanted = createRequestOf(request.headers, bytesOf(request), app.durableStreamsBase)
      await app.grants.toPublish(request, name, [CHUNK])
      if (wanted.fork) await app.grants.toRead(request, wanted.fork.from, 'source stream', [CHUNK])
      const result = await app.durableStreams.create(request.auditOrigin, name, wanted, request.traceparent)
      if (!('stream' in result)) throw createProblem(reply, result)
      describe(reply, result.stream)
      // Not a text, whose type would get a charset.
      if (result.outcome === 'exists') return reply.code(200).send(NOTHING)
      return reply.code(201).header('location', addressOf(request)).send(NOTHING)
    },
  )

  app.post(
    url,
    {
      config: { access: 'editor', grants: 'stream', dropsLargeBodies: true },
      bodyLimit: MAX_BODY_BYTES,
      schema: {
        tags,
        operationId: 'appendToDurableStream',
        summary: 'Append to a stream, close it, or both',
        params: Params,
        response: DURABLE_STREAM_APPENDED,
      },
    },
    async (request, reply) => {
      const name = nameOf(request)
      const wanted = appendRequestOf(request.headers, bytesOf(request))
      await app.grants.toPublish(request, name, [CHUNK])
      const result = await app.durableStreams.append(request.auditOrigin, name, wanted, {
        traceparent: request.traceparent,
        signal: disconnectSignal(reply.raw),
      })
      if (result.outcome !== 'stored' && result.outcome !== 'duplicate') throw appendProblem(reply, result)
      atTail(reply, result.tail, result.closed)
      const { producer } = result
      if (producer) reply.headers({ 'producer-epoch': producer.epoch, 'producer-seq': producer.seq })
      const isNew = result.outcome === 'stored' && producer !== undefined && wanted.body !== undefined
      return reply.code(isNew ? 200 : 204).send()
    },
  )

  app.head(
    url,
    {
      config: { access: 'viewer', grants: 'stream' },
      schema: { tags, operationId: 'describeDurableStream', summary: 'Describe a stream', params: Params },
    },
    async (request, reply) => {
      const name = nameOf(request)
      await app.grants.toRead(request, name)
      await assertVisible(request, name)
      const stream = await reply.findDurable(name, { touch: false })
      return describeExpiry(describe(reply, stream), stream).header('cache-control', 'no-store').send()
    },
  )

  app.get(
    url,
    {
      exposeHeadRoute: false,
      config: {
        access: 'viewer',
        grants: 'stream',
        stream: request => (isSse(request.query) ? unknownContent : undefined),
        channels: [durableChannel],
      },
      schema: {
        tags,
        operationId: 'readDurableStream',
        summary: 'Read a stream, poll it, or follow it',
        params: Params,
        querystring: Query,
        response: DURABLE_STREAM_OR_PAGE,
      },
    },
    async (request, reply) => {
      const name = nameOf(request)
      const { offset, live, cursor } = request.query
      if (live && offset === undefined) throw invalid('`live` needs `offset`. Send -1, now, or an offset.')
      const from = parseOffset(offset ?? '-1')
      if (!from)
        throw invalid('`offset` is none. Send it as you received it in Stream-Next-Offset, or -1, or now.')
      return reply.sendDurable({
        ...{ name, from, live, cursor },
        assertVisible: () => assertVisible(request, name),
      })
    },
  )

  app.delete(
    url,
    {
      config: { access: 'editor', grants: 'stream' },
      schema: {
        tags,
        operationId: 'deleteDurableStream',
        summary: 'Delete a stream',
        params: Params,
        response: { 204: Type.Null({ description: 'Deleted.' }) },
      },
    },
    async (request, reply) => {
      const name = nameOf(request)
      await app.grants.toPublish(request, name, [CHUNK])
      const { role } = request.principal
      const ofAll = allows(role, ['admin'])
      const result = await app.durableStreams.remove(request.auditOrigin, name, { ofAll })
      if (result === 'removed') return reply.code(204).send(null)
      if (result === 'not-found') throw notFound('stream')
      if (result === 'foreign') throw roleTooLow(role, ['admin'])
      throw result === 'gone' ? gone() : owned(reply)
    },
  )
}

export default routes

function nameOf({ params }: StreamRequest): string {
  assertStreamName(params['*'])
  return params['*']
}

function bytesOf({ body }: FastifyRequest): Buffer | undefined {
  return Buffer.isBuffer(body) ? body : undefined
}

/** The URL of the stream, as the client has written it. */
function addressOf({ protocol, host, url }: FastifyRequest): string {
  return `${protocol}://${host}${url.split('?', 1)[0]}`
}

function isSse(query: unknown): boolean {
  return Object(query).live === 'sse'
}

function invalid(detail: string): Problem {
  return new Problem(400, 'invalid-request', detail)
}
