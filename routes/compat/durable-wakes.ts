/**
 * The routes for workers of subscriptions (protocol §7): they claim with credentials of the workspace, and authenticate from then on
 * with the token of their wake. And the keys of the signatures, for receivers of webhooks.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  Acknowledged,
  Acknowledgement,
  Claimed,
  ClaimRequest,
  JsonWebKeys,
  SubscriptionId,
  WakeReference,
} from '../../src/durable-streams/subscriptions/subscription-document.js'
import { notSetUp } from '../../src/durable-streams/subscriptions/subscription-problem.js'
import type { TokenUse } from '../../src/durable-streams/subscriptions/wake-tokens.js'
import {
  acknowledge,
  claimSubscription,
  release,
  type Settled,
} from '../../src/durable-streams/subscriptions/wake-work.js'

export interface DurableWakeRoutesOptions {
  /** The prefix of the streams, such as `/v1/stream`. */
  readonly streams: string
}

const Params = Type.Object({ id: SubscriptionId })
const Done = Type.Null({ description: 'Done.' })

const tags = ['durable-streams']
// Its pattern may match any stream of the workspace.
const editor = { access: 'editor', grants: 'workspace' } as const
/** The token of the wake decides. Work that a worker has done must not wait for the end of maintenance. */
const worker = { access: 'public', grants: 'none', inMaintenance: true } as const

const routes: FastifyPluginAsyncTypebox<DurableWakeRoutesOptions> = async (app, { streams }) => {
  const base = `${streams}/__ds`
  const path = `${base}/subscriptions/:id`
  const { waker } = app.durableSubscriptions

  function keys() {
    const { keys } = app.durableSubscriptions
    if (!keys) throw notSetUp()
    return keys
  }
  const work = () => ({ database: app.database, tokens: keys().tokens })
  function reference(request: FastifyRequest, id: string, use: TokenUse) {
    const token = /^Bearer +([^ ]+)$/i.exec(request.headers.authorization ?? '')?.[1]
    return { id, token, use }
  }
  function told({ nextWake, streams }: Settled) {
    waker.changed(streams)
    return { ok: true as const, next_wake: nextWake }
  }

  app.post(
    `${path}/claim`,
    {
      config: editor,
      schema: {
        tags,
        operationId: 'claimDurableSubscription',
        summary: 'Claim a subscription of the type pull-wake',
        params: Params,
        body: ClaimRequest,
        response: { 200: Claimed },
      },
    },
    async request => {
      const { principal, params, body } = request
      await waker.discover()
      return await claimSubscription(work(), principal.workspace, params.id, body.worker)
    },
  )

  for (const [action, use, operationId, summary] of [
    ['ack', 'claim', 'acknowledgeDurableWake', 'Acknowledge what a claim has given, and keep or end it'],
    ['callback', 'callback', 'acknowledgeDurableWebhook', 'Acknowledge what a webhook has brought'],
  ] as const) {
    app.post(
      `${path}/${action}`,
      {
        config: worker,
        schema: {
          tags,
          operationId,
          summary,
          description: `Needs the ${use} token as bearer token. Without \`done\`, the lease is extended.`,
          params: Params,
          body: Acknowledgement,
          response: { 200: Acknowledged },
        },
      },
      async request =>
        told(await acknowledge(work(), reference(request, request.params.id, use), request.body)),
    )
  }

  app.post(
    `${path}/release`,
    {
      config: worker,
      schema: {
        tags,
        operationId: 'releaseDurableWake',
        summary: 'Give a claim back without an acknowledgement',
        description: 'Needs the claim token as bearer token.',
        params: Params,
        body: WakeReference,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      told(await release(work(), reference(request, request.params.id, 'claim'), request.body))
      return reply.code(204).send(null)
    },
  )

  app.get(
    `${base}/jwks.json`,
    {
      config: { access: 'public', grants: 'none' },
      schema: {
        tags,
        operationId: 'getDurableWebhookKeys',
        summary: 'The public keys that sign the requests of webhooks',
        description: 'A JSON Web Key Set. The signature of a request names its key.',
        response: {
          200: { description: 'The keys.', content: { 'application/jwk-set+json': { schema: JsonWebKeys } } },
        },
      },
    },
    async (_, reply) =>
      reply
        .header('cache-control', 'public, max-age=300')
        .type('application/jwk-set+json')
        .serializer(JSON.stringify)
        .send({ keys: [...keys().signing.published] }),
  )
}

export default routes
