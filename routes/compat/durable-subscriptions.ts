/**
 * The reserved subscription APIs of the Durable Streams protocol (§6), below the prefix of the streams: `__ds/subscriptions/:id` and its
 * streams. What workers call is in durable-wakes.ts.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { allows } from '../../src/auth/principal.js'
import { roleTooLow } from '../../src/auth/refusals.js'
import {
  addStreams,
  deleteSubscription,
  getSubscription,
  putSubscription,
  removeStream,
} from '../../src/durable-streams/subscriptions/subscription-administration.js'
import {
  NewSubscription,
  StreamLinks,
  SubscriptionDocument,
  SubscriptionId,
} from '../../src/durable-streams/subscriptions/subscription-document.js'
import { notSetUp } from '../../src/durable-streams/subscriptions/subscription-problem.js'
import { StreamName } from '../../src/log/event.js'
import wakeRoutes from './durable-wakes.js'

export interface DurableSubscriptionRoutesOptions {
  /** The prefix of the streams, such as `/v1/stream`. */
  readonly streams: string
}

const Params = Type.Object({ id: SubscriptionId })
const StreamParams = Type.Object({
  id: SubscriptionId,
  '*': Type.Unsafe<string>({ ...StreamName, description: 'The path of the stream.' }),
})
const Created = Type.Object(SubscriptionDocument.properties, { description: 'Created.' })
const Done = Type.Null({ description: 'Done.' })

const tags = ['durable-streams']
// Its pattern may match any stream of the workspace.
const viewer = { access: 'viewer', grants: 'workspace' } as const
const editor = { access: 'editor', grants: 'workspace' } as const

const routes: FastifyPluginAsyncTypebox<DurableSubscriptionRoutesOptions> = async (app, { streams }) => {
  const base = `${streams}/__ds`
  const path = `${base}/subscriptions/:id`
  const { waker } = app.durableSubscriptions
  await app.register(wakeRoutes, { streams })

  function keys() {
    const { keys } = app.durableSubscriptions
    if (!keys) throw notSetUp()
    return keys
  }
  function administration() {
    return { database: app.database, policy: app.webhooks.policy, keyId: keys().signing.keyId }
  }
  const baseUrl = (request: FastifyRequest) => `${request.protocol}://${request.host}${app.prefix}${streams}`

  /** Requests to URLs are for admins, as webhooks are. */
  function assertMayPost(request: FastifyRequest): void {
    const { role } = request.principal
    if (!allows(role, ['admin'])) throw roleTooLow(role, ['admin'])
  }

  app.put(
    path,
    {
      config: editor,
      schema: {
        tags,
        operationId: 'putDurableSubscription',
        summary: 'Create a subscription, or confirm it',
        description:
          'The same configuration again changes nothing. Needs the role `admin` for a webhook. Streams that exist are linked at their ends.',
        params: Params,
        body: NewSubscription,
        response: { 200: SubscriptionDocument, 201: Created },
      },
    },
    async (request, reply) => {
      const { params, body, auditOrigin } = request
      if (body.type === 'webhook') assertMayPost(request)
      const put = await putSubscription(administration(), auditOrigin, params.id, body, baseUrl(request))
      waker.changed()
      return reply.code(put.created ? 201 : 200).send(put.document)
    },
  )

  app.get(
    path,
    {
      config: viewer,
      schema: {
        tags,
        operationId: 'getDurableSubscription',
        summary: 'Get a subscription with its cursors',
        params: Params,
        response: { 200: SubscriptionDocument },
      },
    },
    request => getSubscription(administration(), request.principal.workspace, request.params.id),
  )

  app.delete(
    path,
    {
      config: { ...editor, inMaintenance: true },
      schema: {
        tags,
        operationId: 'deleteDurableSubscription',
        summary: 'Delete a subscription',
        description: 'Requests of workers that are under way fail.',
        params: Params,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      await deleteSubscription(app.database, request.auditOrigin, request.params.id)
      return reply.code(204).send(null)
    },
  )

  app.post(
    `${path}/streams`,
    {
      config: editor,
      schema: {
        tags,
        operationId: 'addDurableSubscriptionStreams',
        summary: 'Link streams to a subscription by their paths',
        description: 'Each begins at its end. A stream that is linked already stays as it is.',
        params: Params,
        body: StreamLinks,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      await addStreams(app.database, request.auditOrigin, request.params.id, request.body.streams)
      waker.changed()
      return reply.code(204).send(null)
    },
  )

  app.delete(
    `${path}/streams/*`,
    {
      config: editor,
      schema: {
        tags,
        operationId: 'removeDurableSubscriptionStream',
        summary: 'Remove the explicit link of a stream',
        description: 'A link by the pattern stays.',
        params: StreamParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { id, '*': stream } = request.params
      await removeStream(app.database, request.auditOrigin, id, stream)
      return reply.code(204).send(null)
    },
  )
}

export default routes
