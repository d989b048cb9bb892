/** /api/keys: the API keys of a workspace, for its admins. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import {
  ApiKey,
  ApiKeyId,
  CreatedApiKey,
  KeyChange,
  NewApiKey,
  Rotation,
} from '../src/auth/api-keys/api-key.js'
import { createKey, listKeys, revokeKey, rotateKey } from '../src/auth/api-keys/api-key-administration.js'
import { changeKey } from '../src/auth/api-keys/api-key-grants.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'

const Params = Type.Object({ id: ApiKeyId })
const Query = Type.Object(
  {
    ...pageQuery('Maximum number of keys on the page.'),
  },
  { additionalProperties: false },
)
const KeyPage = Type.Object(
  {
    keys: Type.Array(ApiKey),
    next_cursor: NextCursor,
  },
  { description: 'A page of keys.' },
)
const Created = Type.Object(CreatedApiKey.properties, {
  description: 'Created. Store `key` now: it is not shown again.',
})
const Revoked = Type.Null({ description: 'Revoked, now or earlier.' })
/** Null for a request without a body. */
const OptionalRotation = Type.Unsafe<Rotation | null>({ ...Rotation, type: ['object', 'null'] })

const tags = ['access']
const admin = { access: 'admin', grants: 'credentials' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/keys',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'createApiKey',
        summary: 'Create an API key',
        body: NewApiKey,
        response: { 201: Created },
      },
    },
    async (request, reply) => {
      const made = await createKey(app.database, request.auditOrigin, request.body, app.grants.of(request))
      app.accessChanged()
      return reply.code(201).send(made)
    },
  )

  app.get(
    '/api/keys',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'listApiKeys',
        summary: 'List API keys, newest first',
        description:
          'Includes expired and revoked keys. No secret is stored. A caller with grants gets the keys whose grants are within its own.',
        querystring: Query,
        response: { 200: KeyPage },
      },
    },
    request => listKeys(app.database, request.principal.workspace, request.query, app.grants.of(request)),
  )

  app.post(
    '/api/keys/:id/rotate',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'rotateApiKey',
        summary: 'Replace an API key',
        description: 'The new key has the same rights. Both work during an overlap.',
        params: Params,
        body: OptionalRotation,
        response: { 201: Created },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const made = await rotateKey(
        app.database,
        request.auditOrigin,
        id,
        request.body ?? {},
        app.grants.of(request),
      )
      app.apiKeys.forget(id)
      app.accessChanged()
      return reply.code(201).send(made)
    },
  )

  app.patch(
    '/api/keys/:id',
    {
      // Rights must not stay too wide because of maintenance.
      config: { ...admin, inMaintenance: true },
      schema: {
        tags,
        operationId: 'changeApiKey',
        summary: 'Change the grants of an API key',
        description:
          'Requests and streams of the key follow within 5 s: a stream that the new grants do not allow ends.',
        params: Params,
        body: KeyChange,
        response: { 200: ApiKey },
      },
    },
    async request => {
      const { id } = request.params
      const changed = await changeKey(
        app.database,
        request.auditOrigin,
        id,
        request.body,
        app.grants.of(request),
      )
      app.apiKeys.forget(id)
      app.accessChanged()
      return changed
    },
  )

  app.delete(
    '/api/keys/:id',
    {
      // Stolen credentials must not stay valid because of maintenance.
      config: { ...admin, inMaintenance: true },
      schema: {
        tags,
        operationId: 'revokeApiKey',
        summary: 'Revoke an API key',
        params: Params,
        response: { 204: Revoked },
      },
    },
    async (request, reply) => {
      await revokeKey(app.database, request.auditOrigin, request.params.id, app.grants.of(request))
      app.apiKeys.forget(request.params.id)
      app.accessChanged()
      return reply.code(204).send(null)
    },
  )
}

export default routes
