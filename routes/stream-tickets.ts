/** POST /api/stream-tickets: a ticket in place of a token, because an EventSource cannot set headers. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { grantsWithin } from '../src/auth/grants/grant-problem.js'
import { GrantsDocument } from '../src/auth/grants/grants.js'

const Body = Type.Object(
  {
    path: Type.String({
      description: 'The path of the stream, with its query, such as `/api/events?types=item.*`.',
      examples: ['/api/events'],
    }),
    /** Limits the stream further, within the caller's own grants. */
    grants: Type.Optional(GrantsDocument),
  },
  { additionalProperties: false, examples: [{ path: '/api/events?types=item.*' }] },
)

const Issued = Type.Object({
  ticket: Type.String(),
  expires_at: Type.String({ format: 'date-time', description: 'When the ticket expires unless it is used.' }),
  url: Type.String({ description: 'The path with the ticket in its query: open the stream with it.' }),
})

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/stream-tickets',
    {
      // Streams continue during maintenance.
      config: { access: 'viewer', grants: 'credentials', inMaintenance: true },
      schema: {
        tags: ['events'],
        operationId: 'createStreamTicket',
        summary: 'Create a ticket that opens a stream without a header',
        body: Body,
        response: { 201: Issued },
      },
    },
    async (request, reply) => {
      const own = app.grants.of(request)
      const { path, grants } = request.body
      const principal = { ...request.principal, grants: grants ? grantsWithin(own, grants) : own }
      const { ticket, expiresAt, url } = await app.issueTicket(principal, path)
      reply.knowBrowser()
      return reply.code(201).send({ ticket, expires_at: expiresAt.toISOString(), url })
    },
  )
}

export default routes
