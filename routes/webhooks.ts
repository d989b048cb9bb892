/** /api/webhooks: the webhooks of a workspace, for its admins. Their deliveries are in webhook-deliveries.ts. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { inWorkspace } from '../src/database/workspace.js'
import { disconnectSignal } from '../src/http/client-disconnect.js'
import { StreamName } from '../src/log/event.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { Attempt } from '../src/webhooks/attempt-document.js'
import { rotateSecret } from '../src/webhooks/secret-rotation.js'
import { testWebhook } from '../src/webhooks/test-delivery.js'
import { STATES } from '../src/webhooks/webhook.js'
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  selectExisting,
} from '../src/webhooks/webhook-administration.js'
import {
  CreatedWebhook,
  NewWebhook,
  RotatedSecret,
  SecretRotation,
  WebhookChanges,
  WebhookDocument,
} from '../src/webhooks/webhook-document.js'
import { listWebhooks } from '../src/webhooks/webhook-list.js'
import { pauseWebhook, resumeWebhook } from '../src/webhooks/webhook-stops.js'
import { noticeChanges, WebhookParams, webhookServices } from './webhook-request.js'

const Query = Type.Object(
  {
    state: Type.Optional(Type.Enum([...STATES], { description: 'Only webhooks in this state.' })),
    stream: Type.Optional({ ...StreamName, description: 'Only webhooks of this stream.' }),
    ...pageQuery('Maximum number of webhooks on the page.'),
  },
  { additionalProperties: false },
)
const WebhookPage = Type.Object(
  { webhooks: Type.Array(WebhookDocument), next_cursor: NextCursor },
  { description: 'A page of webhooks.' },
)
const Deleted = Type.Null({ description: 'Deleted. Nothing more is sent, but what is under way.' })
const Tested = Type.Object(Attempt.properties, { description: 'The attempt, whatever its outcome.' })
/** Null for a request without a body. */
const OptionalRotation = Type.Unsafe<SecretRotation | null>({ ...SecretRotation, type: ['object', 'null'] })

const tags = ['webhooks']
const config = { access: 'admin', grants: 'workspace' } as const
/** A change that stops requests to others must not wait for the end of maintenance. */
const stopping = { ...config, inMaintenance: true } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  noticeChanges(app)
  app.post(
    '/api/webhooks',
    {
      config,
      schema: {
        tags,
        operationId: 'createWebhook',
        summary: 'Create a webhook',
        description:
          'It posts the events of a stream to a URL, from the next event on unless `start` says otherwise.',
        body: NewWebhook,
        response: { 201: CreatedWebhook },
      },
    },
    async (request, reply) => {
      const made = await createWebhook(webhookServices(app), request.auditOrigin, request.body)
      return reply.code(201).header('location', `${app.prefix}/api/webhooks/${made.id}`).send(made)
    },
  )

  app.get(
    '/api/webhooks',
    {
      config,
      schema: {
        tags,
        operationId: 'listWebhooks',
        summary: 'List webhooks, newest first',
        querystring: Query,
        response: { 200: WebhookPage },
      },
    },
    request => listWebhooks(app.database, request.principal.workspace, request.query),
  )

  app.get(
    '/api/webhooks/:id',
    {
      config,
      schema: {
        tags,
        operationId: 'getWebhook',
        summary: 'Get a webhook',
        params: WebhookParams,
        response: { 200: WebhookDocument },
      },
    },
    request => {
      const { workspace } = request.principal
      return inWorkspace(app.database, workspace, client =>
        selectExisting(client, workspace, request.params.id),
      )
    },
  )

  app.patch(
    '/api/webhooks/:id',
    {
      config,
      schema: {
        tags,
        operationId: 'changeWebhook',
        summary: 'Change a webhook',
        description:
          'Its cursor stays. `headers` replaces all of its headers. If it has some, a `url` on another host needs `headers` too.',
        params: WebhookParams,
        body: WebhookChanges,
        response: { 200: WebhookDocument },
      },
    },
    request => changeWebhook(webhookServices(app), request.auditOrigin, request.params.id, request.body),
  )

  app.delete(
    '/api/webhooks/:id',
    {
      config: stopping,
      schema: {
        tags,
        operationId: 'deleteWebhook',
        summary: 'Delete a webhook, with its attempts and dead letters',
        params: WebhookParams,
        response: { 204: Deleted },
      },
    },
    async (request, reply) => {
      await deleteWebhook(app.database, request.auditOrigin, request.params.id)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/api/webhooks/:id/test',
    {
      config,
      schema: {
        tags,
        operationId: 'testWebhook',
        summary: 'Send a test to the receiver now',
        description:
          'A message of the type `webhook.test`, which is no event of the log. Waits for the outcome, at most 20 s.',
        params: WebhookParams,
        response: { 200: Tested },
      },
    },
    (request, reply) => {
      const services = { ...webhookServices(app), sender: app.webhooks.sender, source: app.cloudEventSource }
      return testWebhook(services, request.auditOrigin, request.params.id, disconnectSignal(reply.raw))
    },
  )

  app.post(
    '/api/webhooks/:id/pause',
    {
      config: stopping,
      schema: {
        tags,
        operationId: 'pauseWebhook',
        summary: 'Pause a webhook',
        description:
          'What is under way is finished. Events wait in the log, as long as retention keeps them.',
        params: WebhookParams,
        response: { 200: WebhookDocument },
      },
    },
    request => pauseWebhook(app.database, request.auditOrigin, request.params.id),
  )

  app.post(
    '/api/webhooks/:id/resume',
    {
      config,
      schema: {
        tags,
        operationId: 'resumeWebhook',
        summary: 'Resume a webhook',
        description:
          'It continues at its cursor. Events that wait for another try are sent at once, and their schedules begin anew.',
        params: WebhookParams,
        response: { 200: WebhookDocument },
      },
    },
    request => resumeWebhook(app.database, request.auditOrigin, request.params.id),
  )

  app.post(
    '/api/webhooks/:id/rotate-secret',
    {
      config,
      schema: {
        tags,
        operationId: 'rotateWebhookSecret',
        summary: 'Replace the secret of a webhook',
        description: 'Both secrets sign during an overlap, of 24 hours unless `overlap` says otherwise.',
        params: WebhookParams,
        body: OptionalRotation,
        response: { 201: RotatedSecret },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const made = await rotateSecret(webhookServices(app), request.auditOrigin, id, request.body ?? {})
      return reply.code(201).send(made)
    },
  )
}

export default routes
