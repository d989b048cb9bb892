/** /api/revocations: revocations of credentials that were issued earlier, for the admins of a workspace. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import type { RevocationChange } from '../src/auth/revocations/guard.js'
import { NewRevocation, Revocation, RevocationId } from '../src/auth/revocations/revocation.js'
import {
  createRevocation,
  inForce,
  listRevocations,
  removeRevocation,
} from '../src/auth/revocations/revocation-administration.js'
import { NextCursor, pageQuery } from '../src/paging/page-query.js'

const Params = Type.Object({ id: RevocationId })
const Query = Type.Object(
  {
    ...pageQuery('Maximum number of revocations on the page.'),
  },
  { additionalProperties: false },
)
const Created = Type.Object(Revocation.properties, {
  description: 'In force in this process now, and in all others within 5 s.',
  headers: { location: Type.String({ description: 'The path of the revocation.' }) },
})
const RevocationPage = Type.Object(
  {
    revocations: Type.Array(Revocation),
    next_cursor: NextCursor,
  },
  { description: 'A page of revocations.' },
)
const Removed = Type.Null({ description: 'Removed.' })

const tags = ['access']
const admin = { access: 'admin', grants: 'workspace' } as const

const routes: FastifyPluginAsyncTypebox = async app => {
  /** Applies the change in this process and notifies the others. */
  const settled = (change: RevocationChange) => {
    app.guard.apply([change])
    app.accessChanged()
  }

  app.post(
    '/api/revocations',
    {
      // Stolen credentials must not stay valid because of maintenance.
      config: { ...admin, inMaintenance: true },
      schema: {
        tags,
        operationId: 'createRevocation',
        summary: 'Revoke credentials that were issued earlier',
        description:
          'Exactly one of `subject`, `token_id` and `workspace` selects them. Their open streams end.',
        body: NewRevocation,
        response: { 201: Created },
      },
    },
    async (request, reply) => {
      const made = await createRevocation(app.database, request.auditOrigin, request.body)
      settled({ made: inForce(made) })
      return reply.code(201).header('location', `${app.prefix}/api/revocations/${made.id}`).send(made)
    },
  )

  app.get(
    '/api/revocations',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'listRevocations',
        summary: 'List revocations, newest first',
        querystring: Query,
        response: { 200: RevocationPage },
      },
    },
    request => listRevocations(app.database, request.principal.workspace, request.query),
  )

  app.delete(
    '/api/revocations/:id',
    {
      config: admin,
      schema: {
        tags,
        operationId: 'removeRevocation',
        summary: 'Remove a revocation',
        description: 'Credentials that it refused work again, unless they have expired.',
        params: Params,
        response: { 204: Removed },
      },
    },
    async (request, reply) => {
      const removed = await removeRevocation(app.database, request.auditOrigin, request.params.id)
      settled({ removed })
      return reply.code(204).send(null)
    },
  )
}

export default routes
