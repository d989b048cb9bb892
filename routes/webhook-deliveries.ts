/** /api/webhooks/:id/…: the attempts and dead letters of a webhook, and sending events again, for the admins of the workspace. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'
import { Attempt, DeadLetterDocument } from '../src/webhooks/attempt-document.js'
import { listAttempts, retryDelivery } from '../src/webhooks/attempts.js'
import { listDeadLetters, retryDeadLetters } from '../src/webhooks/dead-letters.js'
import { OUTCOMES } from '../src/webhooks/delivery-records.js'
import { NewReplay, Replay } from '../src/webhooks/replay-document.js'
import { startReplay, stopReplay } from '../src/webhooks/replays.js'
import type { WebhookId } from '../src/webhooks/webhook.js'
import { WebhookIdText } from '../src/webhooks/webhook-document.js'
import { noticeChanges, WebhookParams } from './webhook-request.js'

const DeliveryParams = Type.Object({
  id: Type.Unsafe<WebhookId>(WebhookIdText),
  delivery: Type.String({ format: 'uuid', description: 'The id of an attempt.' }),
})
const Query = Type.Object(
  {
    outcome: Type.Optional(Type.Enum([...OUTCOMES], { description: 'Only attempts with this outcome.' })),
    event: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'Only attempts of the event with this id.',
        examples: ['10532.k7f3qa'],
      }),
    ),
    ...pageQuery('Maximum number of attempts on the page.'),
  },
  { additionalProperties: false },
)
const LetterQuery = Type.Object(
  { ...pageQuery('Maximum number of dead letters on the page.') },
  { additionalProperties: false },
)
const AttemptPage = Type.Object(
  { deliveries: Type.Array(Attempt), next_cursor: NextCursor },
  { description: 'A page of attempts.' },
)
const LetterPage = Type.Object(
  { dead_letters: Type.Array(DeadLetterDocument), next_cursor: NextCursor },
  { description: 'A page of dead letters.' },
)
const Started = Type.Object(Replay.properties, {
  description: 'Accepted. It runs while the webhook is active.',
})
const Retried = Type.Null({ description: 'Accepted. The event is sent again while the webhook is active.' })
const RetriedLetters = Type.Object(
  { retried: Type.Integer({ description: 'How many events are sent again, at most 1,000.' }) },
  { title: 'RetriedDeadLetters', description: 'Accepted. They are dead letters no longer.' },
)
const Stopped = Type.Null({ description: 'No replay is running.' })

const tags = ['webhooks']
const config = { access: 'admin', grants: 'workspace' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  noticeChanges(app)
  app.get(
    '/api/webhooks/:id/deliveries',
    {
      config,
      schema: {
        tags,
        operationId: 'listWebhookDeliveries',
        summary: 'List the attempts of a webhook, newest first',
        params: WebhookParams,
        querystring: Query,
        response: { 200: AttemptPage },
      },
    },
    request => listAttempts(app.database, request.principal.workspace, request.params.id, request.query),
  )

  app.post(
    '/api/webhooks/:id/deliveries/:delivery/retry',
    {
      config,
      schema: {
        tags,
        operationId: 'retryWebhookDelivery',
        summary: 'Send the event of an attempt again',
        description:
          'Whatever became of it before. One that waits for its next try is tried now. A dead letter is no longer one.',
        params: DeliveryParams,
        response: { 202: Retried },
      },
    },
    async (request, reply) => {
      const { id, delivery } = request.params
      await retryDelivery(app.database, request.auditOrigin, id, delivery)
      return reply.code(202).send(null)
    },
  )

  app.get(
    '/api/webhooks/:id/dead-letters',
    {
      config,
      schema: {
        tags,
        operationId: 'listDeadLetters',
        summary: 'List the dead letters of a webhook, in the order of their events',
        params: WebhookParams,
        querystring: LetterQuery,
        response: { 200: LetterPage },
      },
    },
    request => listDeadLetters(app.database, request.principal.workspace, request.params.id, request.query),
  )

  app.post(
    '/api/webhooks/:id/dead-letters/retry',
    {
      config,
      schema: {
        tags,
        operationId: 'retryDeadLetters',
        summary: 'Send the dead letters of a webhook again',
        description: 'The oldest 1,000 of them. Repeat it for further ones when these were sent.',
        params: WebhookParams,
        response: { 202: RetriedLetters },
      },
    },
    async (request, reply) => {
      const retried = await retryDeadLetters(app.database, request.auditOrigin, request.params.id)
      return reply.code(202).send({ retried })
    },
  )

  app.post(
    '/api/webhooks/:id/replay',
    {
      config,
      schema: {
        tags,
        operationId: 'replayWebhook',
        summary: 'Send a range of events again',
        description: 'Beside new events, which do not wait for it. One replay of a webhook runs at a time.',
        params: WebhookParams,
        body: NewReplay,
        response: { 202: Started },
      },
    },
    async (request, reply) => {
      const { params, body, auditOrigin } = request
      return reply.code(202).send(await startReplay(app.database, auditOrigin, params.id, body))
    },
  )

  app.delete(
    '/api/webhooks/:id/replay',
    {
      config: { ...config, inMaintenance: true },
      schema: {
        tags,
        operationId: 'stopWebhookReplay',
        summary: 'Stop the replay of a webhook',
        params: WebhookParams,
        response: { 204: Stopped },
      },
    },
    async (request, reply) => {
      await stopReplay(app.database, request.auditOrigin, request.params.id)
      return reply.code(204).send(null)
    },
  )
}

export default routes
