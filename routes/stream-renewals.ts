/** POST /api/streams/:connection/token: newer credentials for a stream that is open, in whichever process. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { endAsText } from '../src/auth/credential-end.js'
import { publishAccessChange } from '../src/auth/revocations/access-change.js'
import { renewalOf } from '../src/auth/revocations/revocation-stream.js'

const Params = Type.Object({
  connection: Type.String({
    format: 'uuid',
    description: 'As the first `server.state` of the stream told it.',
  }),
})
const Renewed = Type.Object(
  {
    expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
      description: 'Until when the stream may go on. Null: as long as it likes.',
    }),
  },
  { description: 'The credentials are good. The stream confirms by `auth-renewed`, if there is such a one.' },
)

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/streams/:connection/token',
    {
      config: { access: 'viewer', inMaintenance: true },
      schema: {
        tags: ['access'],
        operationId: 'renewStream',
        summary: 'Let an open stream go on with newer credentials',
        description: 'They are those of this request: of the same principal, and good for longer.',
        params: Params,
        response: { 202: Renewed },
      },
    },
    async (request, reply) => {
      const { connection } = request.params
      const { principal } = request
      // Whose stream it is, or whether there is one, is not looked at here: who asks must not learn it.
      await publishAccessChange(app.database, renewalOf(connection, principal))
      app.accessChanged()
      app.guard.renew(connection, principal)
      return reply.code(202).send({ expires_at: endAsText(principal) })
    },
  )
}

export default routes
