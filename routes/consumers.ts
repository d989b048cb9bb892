/** /api/consumers: named, durable cursors on streams. A client reads one with routes/consumer-events.ts and acknowledges here. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { reachOf } from '../src/auth/grants/reach.js'
import { acknowledge } from '../src/consumers/acknowledgement.js'
import { deleteConsumer, putConsumer, seek } from '../src/consumers/consumer-administration.js'
import {
  Acknowledged,
  Acknowledgement,
  ConsumerDocument,
  ConsumerName,
  ConsumerSettings,
  consumerDocument,
  Seek,
} from '../src/consumers/consumer-document.js'
import { prolongPage } from '../src/consumers/consumer-pages.js'
import { type LaggingConsumer, selectConsumers } from '../src/consumers/consumer-reads.js'
import { inWorkspace } from '../src/database/workspace.js'
import { FEED } from '../src/log/event.js'
import { eventIdIn } from '../src/log/named-place.js'
import { filledPage } from '../src/paging/filled-page.js'
import { NextCursor, type PageRequest, pageQuery } from '../src/paging/page-query.js'
import { Problem } from '../src/problems/problem.js'
import { assertVisible } from './job-visibility.js'
import { findConsumer } from './stored-consumer.js'

const Params = Type.Object({ name: ConsumerName })
const Query = Type.Object(
  { ...pageQuery('Maximum number of consumers on the page.') },
  { additionalProperties: false },
)
const ConsumerPage = Type.Object(
  { consumers: Type.Array(ConsumerDocument), next_cursor: NextCursor },
  { description: 'A page of consumers.' },
)
const Created = Type.Object(ConsumerDocument.properties, { description: 'Created.' })
const Stored = Type.Object(ConsumerDocument.properties, { description: 'The consumer as it is now.' })
const Deleted = Type.Null({ description: 'Deleted. Its holder loses it.' })

const tags = ['consumers']
const viewer = { access: 'viewer', grants: 'stream' } as const
const editor = { access: 'editor', grants: 'stream' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  /** @throws {Problem} 404 `not-found`, also for a consumer of a stream that the caller may not read. */
  async function find(request: FastifyRequest, name: string): Promise<LaggingConsumer> {
    const found = await findConsumer(request, name)
    await app.grants.toRead(request, found.consumer.stream, 'consumer')
    return found
  }

  async function requireStream(request: FastifyRequest, stream: string, what: string): Promise<void> {
    await app.grants.toRead(request, stream, what)
    await assertVisible(request, stream, what)
  }

  async function mayRead(request: FastifyRequest, stream: string): Promise<boolean> {
    try {
      await requireStream(request, stream, 'stream')
      return true
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return false
      throw error
    }
  }

  app.put(
    '/api/consumers/:name',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'putConsumer',
        summary: 'Create a consumer, or change its settings',
        description:
          'The same settings again change nothing. Settings that are left out have their defaults. A change of the filter, the timeout or the window makes the holder open the consumer again.',
        params: Params,
        body: ConsumerSettings,
        response: { 200: Stored, 201: Created },
      },
    },
    async (request, reply) => {
      const { name } = request.params
      await requireStream(request, request.body.stream ?? FEED, 'stream')
      const { outcome, consumer, lag } = await putConsumer(
        app.database,
        request.auditOrigin,
        name,
        request.body,
      )
      if (outcome === 'restarted') app.consumers.send(consumer.id, { kind: 'lost', reason: 'changed' })
      return reply.code(outcome === 'created' ? 201 : 200).send(consumerDocument(consumer, lag))
    },
  )

  app.get(
    '/api/consumers',
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'listConsumers',
        summary: 'List the consumers by name',
        description: 'Only those of streams that the caller may read.',
        querystring: Query,
        response: { 200: ConsumerPage },
      },
    },
    async request => {
      const { principal } = request
      const read = (page: PageRequest) =>
        inWorkspace(app.database, reachOf(principal), client =>
          selectConsumers(client, principal.workspace, page),
        )
      const visible = async (rows: readonly LaggingConsumer[]) => {
        const streams = [...new Set(rows.map(({ consumer }) => consumer.stream))]
        const answers = await Promise.all(streams.map(stream => mayRead(request, stream)))
        const readable = new Set(streams.filter((_, index) => answers[index]))
        return rows.filter(({ consumer }) => readable.has(consumer.stream))
      }
      const { rows, next_cursor } = await filledPage(request.query, read, visible)
      return { consumers: rows.map(({ consumer, lag }) => consumerDocument(consumer, lag)), next_cursor }
    },
  )

  app.get(
    '/api/consumers/:name',
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'getConsumer',
        summary: 'Get a consumer with its cursor and its lag',
        params: Params,
        response: { 200: ConsumerDocument },
      },
    },
    async request => {
      const { consumer, lag } = await find(request, request.params.name)
      return consumerDocument(consumer, lag)
    },
  )

  app.delete(
    '/api/consumers/:name',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'deleteConsumer',
        summary: 'Delete a consumer',
        params: Params,
        response: { 204: Deleted },
      },
    },
    async (request, reply) => {
      const { name } = request.params
      await find(request, name)
      const id = await deleteConsumer(app.database, request.auditOrigin, name)
      app.consumers.send(id, { kind: 'lost', reason: 'deleted' })
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/api/consumers/:name/seek',
    {
      config: editor,
      schema: {
        tags,
        operationId: 'seekConsumer',
        summary: 'Put the cursor of a consumer somewhere else',
        description:
          'Its holder loses it: acknowledgements of events that were handed out before are refused, and its stream ends. When it opens the consumer again, it continues at the new place.',
        params: Params,
        body: Seek,
        response: { 200: ConsumerDocument },
      },
    },
    async request => {
      const { name } = request.params
      await find(request, name)
      const { consumer, lag } = await seek(app.database, request.auditOrigin, name, request.body.to)
      app.consumers.send(consumer.id, { kind: 'lost', reason: 'sought' })
      return consumerDocument(consumer, lag)
    },
  )

  app.post(
    '/api/consumers/:name/ack',
    {
      // Otherwise the events that a holder gets in maintenance would be handed out again and again.
      config: { ...editor, inMaintenance: true },
      schema: {
        tags,
        operationId: 'acknowledge',
        summary: 'Acknowledge an event and all events before it',
        description:
          'An event that was acknowledged before changes nothing. Works in maintenance too, as the hand-out does.',
        params: Params,
        body: Acknowledgement,
        response: { 200: Acknowledged },
      },
    },
    async request => {
      const { name } = request.params
      const { id: text, epoch } = request.body
      const id = eventIdIn('id', text)
      const { principal } = request
      const found = await find(request, name)
      const given = { id, epoch, principal: principal.id }
      const { answer, moved } = await acknowledge(app.database, reachOf(principal), found, given)
      const { id: consumer, epoch: present } = found.consumer
      if (moved) app.consumers.send(consumer, { kind: 'acknowledged', epoch: present, cursor: moved })
      if (moved && found.consumer.held?.node === null) await prolongPage(app.database, found.consumer)
      return answer
    },
  )
}

export default routes
