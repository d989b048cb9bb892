/** POST /api/stream-tickets: what an EventSource needs, which cannot set headers. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'

const Body = Type.Object(
  {
    path: Type.String({
      description: 'Of the stream, with its query: `/api/events?types=item.*`.',
      examples: ['/api/events'],
    }),
  },
  { additionalProperties: false },
)

const Issued = Type.Object({
  ticket: Type.String(),
  expires_at: Type.String({ format: 'date-time', description: 'Until when it must be used.' }),
  url: Type.String({ description: 'The path with the ticket in its query.' }),
})

const routes: FastifyPluginAsyncTypebox = async app => {
  app.post(
    '/api/stream-tickets',
    {
      // In maintenance streams go on.
      config: { access: 'viewer', inMaintenance: true },
      schema: {
        tags: ['events'],
        operationId: 'createStreamTicket',
        summary: 'A ticket that opens a stream without a header',
        body: Body,
        response: { 201: Issued },
      },
    },
    async (request, reply) => {
      const { ticket, expiresAt, url } = await app.issueTicket(request.principal, request.body.path)
      reply.knowBrowser()
      return reply.code(201).send({ ticket, expires_at: expiresAt.toISOString(), url })
    },
  )
}

export default routes
