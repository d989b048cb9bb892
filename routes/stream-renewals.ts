/** POST /api/streams/:connection/token: newer credentials for an open stream, whichever process holds it. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { endAsText } from '../src/auth/credential-end.js'
import { publishAccessChange } from '../src/auth/revocations/access-change.js'
import { renewalOf } from '../src/auth/revocations/revocation-stream.js'

const Params = Type.Object({
  connection: Type.String({
    format: 'uuid',
    description: 'The `connection` in the first `server.state` of the stream.',
  }),
})
const Renewed = Type.Object(
  {
    expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
      description: 'When these credentials expire. Null: never.',
    }),
  },
  { description: 'The credentials are valid. The stream, if it exists, confirms with `auth-renewed`.' },
)

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/streams/:connection/token',
    {
      config: { access: 'viewer', grants: 'credentials', inMaintenance: true },
      schema: {
        tags: ['access'],
        operationId: 'renewStream',
        summary: 'Renew the credentials of an open stream',
        description:
          'The new credentials are those of this request. They must belong to the same principal and expire later.',
        params: Params,
        response: { 202: Renewed },
      },
    },
    async (request, reply) => {
      const { connection } = request.params
      const { principal } = request
      // The response does not depend on whose stream it is, or whether it exists: the caller must not learn that.
      await publishAccessChange(app.database, renewalOf(connection, principal))
      app.accessChanged()
      app.guard.renew(connection, principal)
      return reply.code(202).send({ expires_at: endAsText(principal) })
    },
  )
}

export default routes
